//! What holds for any lists, tokens and bytes.

use std::sync::Arc;
use std::time::Duration;

use auth::cram_md5::{Authenticator, Outcome, Output, SessionId};
use auth::http::{Basic, Bearer};
use auth::{Acls, Action, Authorizer, Credentials, Object, Principal, Secret, jwt};
use process::http::{Authenticator as _, HeaderValue, Method, Outcome as Answer, Request};
use process::{Time, Upid};
use proptest::collection::vec;
use proptest::prelude::*;
use proto::internal;
use serde_json::{Value, json};

/// One side of an entry.
#[derive(Debug, Clone)]
enum Entity {
    Some(Vec<&'static str>),
    Any,
    None,
}

impl Entity {
    fn json(&self) -> Value {
        match self {
            Self::Some(values) => json!({ "values": values }),
            Self::Any => json!({"type": "ANY"}),
            Self::None => json!({"type": "NONE"}),
        }
    }

    /// The matrix of what matches, as it is written down.
    fn matches(&self, asked: Option<&str>, roles: bool) -> bool {
        match (self, asked) {
            (Self::Any | Self::None, _) => true,
            (Self::Some(_), None) => false,
            (Self::Some(values), Some(asked)) => values.iter().any(|value| {
                let below = value.strip_suffix("/%").filter(|_| roles);
                below.map_or(*value == asked, |above| {
                    asked
                        .strip_prefix(above)
                        .is_some_and(|rest| rest.starts_with('/'))
                })
            }),
        }
    }

    /// The matrix of what is allowed once it matches.
    fn allows(&self) -> bool {
        !matches!(self, Self::None)
    }
}

fn entity(values: &'static [&'static str]) -> impl Strategy<Value = Entity> {
    prop_oneof![
        3 => vec(prop::sample::select(values), 0..3).prop_map(Entity::Some),
        1 => Just(Entity::Any),
        1 => Just(Entity::None),
    ]
}

const NAMES: &[&str] = &["a", "b", "c"];
const OBJECTS: &[&str] = &["x", "x/y", "x/%", "z", "z/%"];

proptest! {
    /// However entries are sorted out beforehand, the first that matches both decides.
    #[test]
    fn the_first_entry_that_matches_decides(
        entries in vec((entity(NAMES), entity(OBJECTS)), 0..6),
        permissive: bool,
        roles: bool,
        subject in prop::option::of(prop::sample::select(NAMES)),
        object in prop::option::of(prop::sample::select(&["x", "x/y", "x/y/z", "z", "w"][..])),
    ) {
        let (list, field, action) = if roles {
            ("view_roles", "roles", Action::ViewRole)
        } else {
            ("run_tasks", "users", Action::RunTask)
        };
        let json: Vec<Value> = entries
            .iter()
            .map(|(principals, objects)| json!({"principals": principals.json(), field: objects.json()}))
            .collect();
        let acls = json!({"permissive": permissive, list: json});
        let authorizer = Authorizer::new(Acls::parse(&acls.to_string()).unwrap());
        let first = entries
            .iter()
            .find(|(principals, objects)| principals.matches(subject, false) && objects.matches(object, roles));
        let expected = first.map_or(permissive, |(principals, objects)| principals.allows() && objects.allows());
        let principal = subject.map(Principal::named);
        let object = Object { value: object, ..Object::ANY };
        prop_assert_eq!(authorizer.allows(principal.as_ref(), action, &object), expected, "{}", acls);
        let approver = authorizer.approver(principal.as_ref(), action);
        prop_assert!(!approver.is_everything() || expected);
        prop_assert!(!approver.is_nothing() || !expected);
    }

    #[test]
    fn no_text_is_lists_that_cannot_be_read(text in ".*") {
        drop(Acls::parse(&text));
    }

    #[test]
    fn tokens_say_what_they_were_made_of(
        claims in prop::collection::btree_map("[a-z]{1,8}", ".{0,20}", 1..4),
        key in vec(any::<u8>(), 0..100),
    ) {
        // A time that is no number is no claim that can be made.
        prop_assume!(!claims.contains_key("exp"));
        let key = jwt::Key::new(Secret::new(key));
        let token = jwt::make(&key, claims.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        prop_assert_eq!(jwt::check(&key, &token, Time::EPOCH).unwrap(), claims);
    }

    #[test]
    fn nothing_is_a_token_but_what_was_signed(token in "[A-Za-z0-9_.=-]{0,200}", text in ".*") {
        let key = jwt::Key::new(Secret::new(*b"key"));
        prop_assert!(jwt::check(&key, &token, Time::EPOCH).is_err());
        prop_assert!(jwt::check(&key, &text, Time::EPOCH).is_err());
    }

    #[test]
    fn no_header_lets_a_stranger_in(bytes in vec(any::<u8>(), 0..80), encoded in vec(any::<u8>(), 0..40)) {
        use base64::Engine as _;
        let credentials: Credentials = [("a".to_owned(), "secret-of-many-letters".to_owned())].into_iter().collect();
        let basic = Basic::new("r", Arc::new(credentials));
        let bearer = Bearer::new("r", jwt::Key::new(Secret::new(*b"key")));
        let encoded = base64::engine::general_purpose::STANDARD.encode(encoded);
        let headers = [bytes.clone(), format!("Basic {encoded}").into_bytes(), [&b"Bearer "[..], &bytes].concat()];
        for header in headers.into_iter().filter_map(|header| HeaderValue::try_from(header).ok()) {
            let mut request = Request::new(Method::GET, "/", "");
            request.headers.insert("authorization", header);
            for outcome in [basic.authenticate(&request, Time::EPOCH), bearer.authenticate(&request, Time::EPOCH)] {
                // Whatever is repeated must be able to stand in a header.
                let Answer::Unauthorized { challenge, .. } = outcome else {
                    panic!("let in or forbidden");
                };
                prop_assert!(HeaderValue::try_from(challenge).is_ok());
            }
        }
    }

    /// Whatever peers say and in whichever order, nobody is proven to be anybody, and nothing is left over.
    #[test]
    fn no_conversation_without_the_secret_proves_anything(
        script in vec((0_u8..5, 0_u16..3, 1_u64..6, vec(any::<u8>(), 0..60)), 0..40),
    ) {
        let credentials: Credentials = [("a".to_owned(), "secret".to_owned())].into_iter().collect();
        let mut authenticator = Authenticator::new(Arc::new(credentials), "h", Duration::from_secs(15));
        let upid = |number: u16| -> Upid { format!("p@10.0.0.1:{}", number + 1).parse().unwrap() };
        let mut out = Vec::new();
        let mut now = Time::EPOCH;
        for (what, peer, session, bytes) in script {
            now += Duration::from_secs(1);
            let (peer, session) = (upid(peer), SessionId(session));
            match what {
                0 => authenticator.begin(now, peer.clone(), peer, &mut out),
                1 => {
                    let message = internal::AuthenticationStartMessage {
                        mechanism: "CRAM-MD5".to_owned(),
                        data: None,
                    };
                    authenticator.start(now, session, &peer, &message, 7, &mut out);
                }
                2 => {
                    let message = internal::AuthenticationStepMessage { data: bytes.into() };
                    authenticator.step(session, &peer, &message, &mut out);
                }
                3 => authenticator.exited(&peer, &mut out),
                _ => authenticator.expire(now, &mut out),
            }
        }
        authenticator.expire(Time::MAX, &mut out);
        prop_assert_eq!(authenticator.deadline(), None);
        let opened = out.iter().filter(|output| matches!(output, Output::Open(..))).count();
        let closed = out.iter().filter(|output| matches!(output, Output::Close(_))).count();
        prop_assert_eq!(opened, closed);
        let proven = out
            .iter()
            .any(|output| matches!(output, Output::Done { outcome: Outcome::Proven(_), .. }));
        prop_assert!(!proven);
    }
}
