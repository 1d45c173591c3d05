//! The texts that say who may do what: access control lists, tokens; and resources, which flags and operators write.

use auth::{Acls, Secret, jwt};
use process::Time;
use resources::Resources;

/// Each parser in turn takes the same text; a token that nobody signed is never one.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _any_list_will_do = Acls::parse(text);
    let _any_amount_will_do = Resources::parse(text);
    let key = jwt::Key::new(Secret::new(*b"a key that signs nothing here"));
    assert!(
        jwt::check(&key, text, Time::from_secs(1)).is_err(),
        "nobody signed it"
    );
}
