//! The proof of drivers' frameworks and of agents: CRAM-MD5 in seven messages (facts: internal-protocol.md §5).
//!
//! [`Authenticator`] is the master's side, all sessions at once; [`Authenticatee`] is the side of an agent or a driver.
//! Neither sends anything: they are given messages and the time, and say what to send.

mod authenticatee;
mod authenticator;
mod timeouts;

use hmac::{Hmac, Mac};
use md5::Md5;

pub use authenticatee::{Authenticatee, Next};
pub use authenticator::{Authenticator, Message, Outcome, Output, SESSIONS, SessionId};
pub use timeouts::Timeouts;

/// The one mechanism there is.
pub const MECHANISM: &str = "CRAM-MD5";

/// The longest challenge or response that is taken, in bytes.
pub const MAX_STEP: usize = 1024;

/// HMAC-MD5 of the challenge under the secret, as lower-case hexadecimal digits.
fn digest(secret: &[u8], challenge: &[u8]) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(secret).expect("this code takes keys of any length");
    mac.update(challenge);
    let mut text = String::with_capacity(32);
    for byte in mac.finalize().into_bytes() {
        for nibble in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_the_recording() {
        // golden/wire/authentication, streams 002 to 005.
        assert_eq!(
            digest(b"agent-secret", b"<3280204021.60082@vm>"),
            "4c4e70be7bc75d2e426ec10d3159c15d"
        );
        assert_eq!(
            digest(b"framework-secret", b"<705989365.60084@vm>"),
            "dae7a49c01c89b9ef8613cb442ba2429"
        );
    }

    #[test]
    fn digest_of_the_standard() {
        // RFC 2195, section 2.
        assert_eq!(
            digest(b"tanstaaftanstaaf", b"<1896.697170952@postoffice.reston.mci.net>"),
            "b913a602c7eda7a495b4e6e7334d3890"
        );
    }
}
