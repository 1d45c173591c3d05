//! Offer constraints as the slow allocator reads them: written down here as they are meant, and put into JSON for the fast
//! one.

use allocator::AgentOptions;
use proto::v1::scheduler::OfferConstraints;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::collections::BTreeMap;

/// What is looked at.
#[derive(Clone, Debug)]
enum What {
    Hostname,
    Region,
    Zone,
    Attribute(&'static str),
}

/// What it is to be.
#[derive(Clone, Debug)]
enum Wanted {
    Exists,
    NotExists,
    Equals(&'static str),
    NotEquals(&'static str),
    /// A regular expression, and the texts of this test that it fits.
    Matches(&'static str, &'static [&'static str]),
    NotMatches(&'static str, &'static [&'static str]),
}

/// Groups of conditions for each role: one group must hold with all its conditions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes(BTreeMap<String, Vec<Vec<(What, Wanted)>>>);

const TEXTS: [&str; 4] = ["r1", "r2", "here", "host-a1"];
const PATTERNS: [(&str, &[&str]); 4] = [
    ("r[12]", &["r1", "r2"]),
    ("r1|here", &["r1", "here"]),
    (
        "host-a.",
        &["host-a0", "host-a1", "host-a2", "host-a3", "host-a4", "host-a5"],
    ),
    // Not the whole of any.
    ("r", &[]),
];

/// What is found on an agent: nothing, a text, or something else (allocator.md §10).
fn found<'a>(what: &What, agent: &'a AgentOptions) -> Option<Option<&'a str>> {
    match what {
        What::Hostname => Some(Some(&agent.hostname)),
        What::Region => agent.region.as_deref().map(Some),
        What::Zone => agent.zone.as_deref().map(Some),
        What::Attribute(name) => agent.attributes.get(*name).map(Option::as_deref),
    }
}

fn holds((what, wanted): &(What, Wanted), agent: &AgentOptions) -> bool {
    match (wanted, found(what, agent)) {
        (Wanted::Exists, found) => found.is_some(),
        (Wanted::NotExists, found) => found.is_none(),
        (Wanted::Equals(_) | Wanted::Matches(..), None) => false,
        (Wanted::NotEquals(_) | Wanted::NotMatches(..), None) => true,
        // What is no text passes all that is said of texts.
        (_, Some(None)) => true,
        (Wanted::Equals(text), Some(Some(is))) => is == *text,
        (Wanted::NotEquals(text), Some(Some(is))) => is != *text,
        (Wanted::Matches(_, fitting), Some(Some(is))) => fitting.contains(&is),
        (Wanted::NotMatches(_, fitting), Some(Some(is))) => !fitting.contains(&is),
    }
}

impl Wishes {
    /// Some for the role, at random.
    pub(crate) fn random(role: &str, rng: &mut impl Rng) -> Self {
        let groups = (0..rng.random_range(1..3)).map(|_| {
            let conditions = 0..rng.random_range(1..3);
            conditions.map(|_| (what(rng), wanted(rng))).collect()
        });
        Self([(role.to_owned(), groups.collect())].into())
    }

    pub(crate) fn exclude(&self, role: &str, agent: &AgentOptions) -> bool {
        self.0.get(role).is_some_and(|groups| {
            !groups
                .iter()
                .any(|group| group.iter().all(|condition| holds(condition, agent)))
        })
    }

    pub(crate) fn to_proto(&self) -> OfferConstraints {
        let roles: Vec<String> = self
            .0
            .iter()
            .map(|(role, groups)| {
                let groups: Vec<String> = groups
                    .iter()
                    .map(|group| {
                        let conditions: Vec<String> = group.iter().map(json).collect();
                        format!(r#"{{"attribute_constraints":[{}]}}"#, conditions.join(","))
                    })
                    .collect();
                format!(r#""{role}":{{"groups":[{}]}}"#, groups.join(","))
            })
            .collect();
        let text = format!(r#"{{"role_constraints":{{{}}}}}"#, roles.join(","));
        proto::json::from_slice(text.as_bytes()).unwrap()
    }
}

fn what(rng: &mut impl Rng) -> What {
    match rng.random_range(0..6) {
        0 => What::Hostname,
        1 => What::Region,
        2 => What::Zone,
        _ => What::Attribute("rack"),
    }
}

fn wanted(rng: &mut impl Rng) -> Wanted {
    let text = TEXTS.choose(rng).unwrap();
    let (pattern, fitting) = PATTERNS.choose(rng).unwrap();
    match rng.random_range(0..6) {
        0 => Wanted::Exists,
        1 => Wanted::NotExists,
        2 => Wanted::Equals(text),
        3 => Wanted::NotEquals(text),
        4 => Wanted::Matches(pattern, fitting),
        _ => Wanted::NotMatches(pattern, fitting),
    }
}

fn json((what, wanted): &(What, Wanted)) -> String {
    let selector = match what {
        What::Hostname => r#""pseudoattribute_type":"HOSTNAME""#.to_owned(),
        What::Region => r#""pseudoattribute_type":"REGION""#.to_owned(),
        What::Zone => r#""pseudoattribute_type":"ZONE""#.to_owned(),
        What::Attribute(name) => format!(r#""attribute_name":"{name}""#),
    };
    let predicate = match wanted {
        Wanted::Exists => r#""exists":{}"#.to_owned(),
        Wanted::NotExists => r#""not_exists":{}"#.to_owned(),
        Wanted::Equals(text) => format!(r#""text_equals":{{"value":"{text}"}}"#),
        Wanted::NotEquals(text) => format!(r#""text_not_equals":{{"value":"{text}"}}"#),
        Wanted::Matches(regex, _) => format!(r#""text_matches":{{"regex":"{regex}"}}"#),
        Wanted::NotMatches(regex, _) => format!(r#""text_not_matches":{{"regex":"{regex}"}}"#),
    };
    format!(r#"{{"selector":{{{selector}}},"predicate":{{{predicate}}}}}"#)
}
