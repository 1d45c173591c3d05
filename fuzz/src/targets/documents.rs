//! The documents that operators write: credentials, access control lists, rate limits; and the places they name: masters,
//! ZooKeeper, amounts. Each is taken or refused, and what is taken means something.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use auth::http::Basic;
use auth::rate_limits::Throttle;
use auth::{Acls, Action, Authorizer, Credential, Credentials, Object};
use election::{Location, MasterInfoBuilder};
use process::http::{Authenticator, Method, Outcome, Principal, Request};
use process::{Time, Upid};
use proto::{json, v1};
use resources::{Quantities, Resources};
use scheduler::{Address, StaticMasters};

use super::folder::Folder;

thread_local! {
    static FOLDER: RefCell<Option<Folder>> = const { RefCell::new(None) };
}

/// Each parser in turn takes the same bytes.
pub fn run(bytes: &[u8]) {
    credentials(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    acls(text);
    rate_limits(bytes);
    places(text);
    let _amounts = Quantities::parse(text);
    if let Ok(resources) = Resources::parse(text) {
        let again = Resources::from_proto(&resources.to_proto()).expect("what is parsed is valid");
        assert_eq!(again, resources, "resources as messages are the same");
    }
}

fn credentials(bytes: &[u8]) {
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| Folder::new("documents"));
        let path = folder.path().join("credentials");
        std::fs::write(&path, bytes).expect("a file can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode can be set");
        let _one = Credential::read(&path);
        let Ok(all) = Credentials::read(&path) else {
            return;
        };
        let header = String::from_utf8_lossy(bytes);
        let mut request = Request::new(Method::GET, "/", bytes::Bytes::new());
        if let Ok(value) = header.trim().parse() {
            request.headers.insert("authorization", value);
        }
        let basic = Basic::new("fuzz", Arc::new(all.value));
        let outcome = basic.authenticate(&request, Time::from_secs(1));
        assert!(
            !matches!(outcome, Outcome::Authenticated(_)),
            "a document is no proof of whom it names"
        );
    });
}

fn acls(text: &str) {
    let Ok(acls) = Acls::parse(text) else { return };
    let authorizer = Authorizer::new(acls);
    let principal = Principal::named("p");
    for subject in [None, Some(&principal)] {
        let object = Object::ANY;
        for action in [Action::RunTask, Action::TeardownFramework, Action::ViewFlags] {
            let once = authorizer.allows(subject, action, &object);
            assert_eq!(once, authorizer.allows(subject, action, &object), "asked twice");
        }
    }
}

fn rate_limits(bytes: &[u8]) {
    let Ok(limits) = json::from_slice::<v1::RateLimits>(bytes) else {
        return;
    };
    let Ok(mut throttle) = Throttle::new(&limits) else {
        return;
    };
    let names: Vec<String> = limits
        .limits
        .iter()
        .map(|limit| limit.principal.clone())
        .collect();
    let mut now = Time::from_secs(1_700_000_000);
    let (mut offered, mut popped) = (0_usize, 0_usize);
    for number in 0..64 {
        let name = names.get(number % 4).map(String::as_str);
        let _verdict = throttle.offer(now, name, number);
        offered += 1;
        now += Duration::from_millis(10);
        while throttle.pop(now).is_some() {
            popped += 1;
        }
        assert!(popped <= offered, "nothing comes out that was not put in");
        assert!(
            throttle.deadline().is_none_or(|due| due > now),
            "what is due has been taken"
        );
    }
}

fn places(text: &str) {
    let _place = Location::parse(text);
    if let Ok(address) = text.parse::<Address>() {
        let again: Address = address.to_string().parse().expect("an address reads again");
        assert_eq!(again, address);
        let _moved = Address::from_location(text, &address);
    }
    let base = Address::new("base", 5050);
    let _moved = Address::from_location(text, &base);
    let _masters = StaticMasters::parse(text);
    if let Ok(list) = scheduler::parse_list(text) {
        assert!(!list.is_empty(), "a list names somebody");
    }
    if let Ok(upid) = text.parse::<Upid>() {
        assert_eq!(
            upid.to_string().parse::<Upid>().ok(),
            Some(upid),
            "an address reads again"
        );
    }
    let _info = MasterInfoBuilder::new(text, "10.0.0.1:5050".parse().expect("an address")).build();
}
