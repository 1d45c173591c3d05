//! Offer constraints: which agents a framework wants in a role, by their attributes (facts: allocator.md §10).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use proto::v1::scheduler::OfferConstraints;
use proto::v1::scheduler::attribute_constraint::predicate::Predicate as Wanted;
use proto::v1::scheduler::attribute_constraint::selector::{PseudoattributeType, Selector as Chosen};
use proto::v1::scheduler::{AttributeConstraint, attribute_constraint, offer_constraints};
use regex_automata::nfa::thompson::{NFA, pikevm::PikeVM};
use regex_automata::{Anchored, Input};

use super::options::AgentOptions;
use crate::Error;

/// How large a regular expression may be (`--offer_constraints_re2_max_mem`, `--offer_constraints_re2_max_program_size`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegexLimits {
    /// Bytes of memory. As RE2 reckons: two thirds are for the program, and an instruction takes 16 bytes.
    pub max_mem: u64,
    /// Instructions of the compiled program: states of its automaton.
    pub max_program_size: usize,
}

impl Default for RegexLimits {
    fn default() -> Self {
        Self {
            max_mem: 4096,
            max_program_size: 100,
        }
    }
}

impl RegexLimits {
    fn states(self) -> usize {
        let by_mem = usize::try_from(self.max_mem / 24).unwrap_or(usize::MAX);
        by_mem.min(self.max_program_size)
    }
}

/// What a framework wants of agents, by role; ready to be asked.
#[derive(Clone)]
pub struct Constraints {
    source: OfferConstraints,
    roles: BTreeMap<String, Vec<Group>>,
}

/// Conditions that must all hold.
type Group = Vec<Condition>;

#[derive(Clone, Debug)]
struct Condition {
    selector: Selector,
    predicate: Predicate,
}

#[derive(Clone, Debug)]
enum Selector {
    Hostname,
    Region,
    Zone,
    Attribute(String),
}

#[derive(Clone, Debug)]
enum Predicate {
    Exists,
    NotExists,
    Equals(String),
    NotEquals(String),
    Matches(Arc<Regex>),
    NotMatches(Arc<Regex>),
}

/// What a selector finds on an agent.
#[derive(Clone, Copy, Debug)]
enum Found<'a> {
    Nothing,
    Text(&'a str),
    /// Something that is no text.
    Other,
}

impl fmt::Debug for Constraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Constraints").field(&self.source).finish()
    }
}

impl PartialEq for Constraints {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Constraints {
    /// Reads constraints. An empty list of groups or of conditions, and a selector or predicate that is not set, are for
    /// the caller to refuse: here no group excludes, and such a condition never holds.
    ///
    /// # Errors
    /// [`Error::Regex`] for the first expression that is none, or too large.
    pub fn new(source: &OfferConstraints, limits: RegexLimits) -> Result<Self, Error> {
        let mut roles = BTreeMap::new();
        for (role, of_role) in &source.role_constraints {
            let groups: Result<Vec<Group>, Error> = of_role
                .groups
                .iter()
                .map(|of_group| group(of_group, limits))
                .collect();
            roles.insert(role.clone(), groups?);
        }
        Ok(Self {
            source: source.clone(),
            roles,
        })
    }

    /// Whether an agent is not to be offered in a role.
    pub fn excludes(&self, role: &str, agent: &AgentOptions) -> bool {
        let holds = |group: &Group| group.iter().all(|condition| condition.holds(agent));
        self.roles
            .get(role)
            .is_some_and(|groups| !groups.iter().any(holds))
    }
}

fn group(source: &offer_constraints::role_constraints::Group, limits: RegexLimits) -> Result<Group, Error> {
    let conditions = source.attribute_constraints.iter();
    conditions
        .map(|condition| Condition::new(condition, limits))
        .collect()
}

impl Condition {
    fn new(source: &AttributeConstraint, limits: RegexLimits) -> Result<Self, Error> {
        Ok(Self {
            selector: selector(&source.selector),
            predicate: predicate(&source.predicate, limits)?,
        })
    }

    fn holds(&self, agent: &AgentOptions) -> bool {
        match (&self.predicate, self.selector.find(agent)) {
            (Predicate::Exists, found) => !matches!(found, Found::Nothing),
            (Predicate::NotExists, found) => matches!(found, Found::Nothing),
            (Predicate::Equals(_) | Predicate::Matches(_), Found::Nothing) => false,
            (Predicate::NotEquals(_) | Predicate::NotMatches(_), Found::Nothing) => true,
            (_, Found::Other) => true,
            (Predicate::Equals(wanted), Found::Text(text)) => wanted == text,
            (Predicate::NotEquals(unwanted), Found::Text(text)) => unwanted != text,
            (Predicate::Matches(regex), Found::Text(text)) => regex.is_match(text),
            (Predicate::NotMatches(regex), Found::Text(text)) => !regex.is_match(text),
        }
    }
}

fn selector(source: &attribute_constraint::Selector) -> Selector {
    match &source.selector {
        Some(Chosen::AttributeName(name)) => Selector::Attribute(name.clone()),
        Some(Chosen::PseudoattributeType(kind)) => match PseudoattributeType::try_from(*kind) {
            Ok(PseudoattributeType::Hostname) => Selector::Hostname,
            Ok(PseudoattributeType::Region) => Selector::Region,
            Ok(PseudoattributeType::Zone) => Selector::Zone,
            Ok(PseudoattributeType::Unknown) | Err(_) => Selector::Attribute(String::new()),
        },
        None => Selector::Attribute(String::new()),
    }
}

fn predicate(source: &attribute_constraint::Predicate, limits: RegexLimits) -> Result<Predicate, Error> {
    Ok(match &source.predicate {
        Some(Wanted::NotExists(_)) => Predicate::NotExists,
        Some(Wanted::TextEquals(text)) => Predicate::Equals(text.value.clone()),
        Some(Wanted::TextNotEquals(text)) => Predicate::NotEquals(text.value.clone()),
        Some(Wanted::TextMatches(text)) => Predicate::Matches(Regex::new(&text.regex, limits)?),
        Some(Wanted::TextNotMatches(text)) => Predicate::NotMatches(Regex::new(&text.regex, limits)?),
        Some(Wanted::Exists(_)) | None => Predicate::Exists,
    })
}

impl Selector {
    fn find<'a>(&self, agent: &'a AgentOptions) -> Found<'a> {
        let text = |text: Option<&'a String>| text.map_or(Found::Nothing, |text| Found::Text(text));
        match self {
            Self::Hostname => Found::Text(&agent.hostname),
            Self::Region => text(agent.region.as_ref()),
            Self::Zone => text(agent.zone.as_ref()),
            Self::Attribute(name) => match agent.attributes.get(name) {
                None => Found::Nothing,
                Some(Some(value)) => Found::Text(value),
                Some(None) => Found::Other,
            },
        }
    }
}

/// A regular expression for whole texts. Matching takes time linear in the text.
#[derive(Debug)]
struct Regex(PikeVM);

impl Regex {
    fn new(text: &str, limits: RegexLimits) -> Result<Arc<Self>, Error> {
        let wrong = |reason: String| Error::Regex {
            regex: text.to_owned(),
            reason,
        };
        let compile = |text: &str| {
            let config = NFA::config().nfa_size_limit(Some(NFA_LIMIT));
            let compiled = NFA::compiler().configure(config).build(text);
            compiled.map_err(|error| wrong(error.to_string()))
        };
        // By itself first, so that its parentheses cannot close the ones that follow.
        compile(text)?;
        // The whole text: the end is asked for here, the beginning when it is matched.
        let nfa = compile(&format!("(?:{text})\\z"))?;
        let (states, most) = (nfa.states().len(), limits.states());
        if states > most {
            return Err(wrong(format!(
                "its program has {states} instructions, {most} are allowed"
            )));
        }
        let vm = PikeVM::new_from_nfa(nfa).map_err(|error| wrong(error.to_string()))?;
        Ok(Arc::new(Self(vm)))
    }

    fn is_match(&self, text: &str) -> bool {
        let mut cache = self.0.create_cache();
        self.0
            .is_match(&mut cache, Input::new(text).anchored(Anchored::Yes))
    }
}

/// Bytes that compiling may take, whatever the limits say: 1 MiB.
const NFA_LIMIT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proto::json;

    fn agent() -> AgentOptions {
        AgentOptions {
            hostname: "h1.example".to_owned(),
            region: Some("r".to_owned()),
            attributes: [
                ("rack".to_owned(), Some("a1".to_owned())),
                ("level".to_owned(), None),
            ]
            .into(),
            ..AgentOptions::default()
        }
    }

    fn excludes(groups: &str) -> bool {
        let text = format!(r#"{{"role_constraints":{{"web":{{"groups":{groups}}}}}}}"#);
        let source: OfferConstraints = json::from_slice(text.as_bytes()).unwrap();
        let constraints = Constraints::new(&source, RegexLimits::default()).unwrap();
        assert!(
            !constraints.excludes("other", &agent()),
            "only roles that are named"
        );
        constraints.excludes("web", &agent())
    }

    /// One row for each predicate and each thing it may find (allocator.md §10).
    #[test]
    fn predicates() {
        let (nothing, text, other) = ("none", "rack", "level");
        for (predicate, name, holds) in [
            (r#""exists":{}"#, nothing, false),
            (r#""exists":{}"#, text, true),
            (r#""exists":{}"#, other, true),
            (r#""not_exists":{}"#, nothing, true),
            (r#""not_exists":{}"#, text, false),
            (r#""not_exists":{}"#, other, false),
            (r#""text_equals":{"value":"a1"}"#, nothing, false),
            (r#""text_equals":{"value":"a1"}"#, text, true),
            (r#""text_equals":{"value":"a"}"#, text, false),
            (r#""text_equals":{"value":"a1"}"#, other, true),
            (r#""text_not_equals":{"value":"a1"}"#, nothing, true),
            (r#""text_not_equals":{"value":"a1"}"#, text, false),
            (r#""text_not_equals":{"value":"a"}"#, text, true),
            (r#""text_not_equals":{"value":"a1"}"#, other, true),
            (r#""text_matches":{"regex":"a[0-9]"}"#, nothing, false),
            (r#""text_matches":{"regex":"a[0-9]"}"#, text, true),
            (r#""text_matches":{"regex":"a"}"#, text, false),
            (r#""text_matches":{"regex":"1"}"#, text, false),
            (r#""text_matches":{"regex":"x|a1"}"#, text, true),
            (r#""text_matches":{"regex":"x"}"#, other, true),
            (r#""text_not_matches":{"regex":"a.*"}"#, nothing, true),
            (r#""text_not_matches":{"regex":"a.*"}"#, text, false),
            (r#""text_not_matches":{"regex":"a"}"#, text, true),
            (r#""text_not_matches":{"regex":".*"}"#, other, true),
        ] {
            let groups = format!(
                r#"[{{"attribute_constraints":[{{"selector":{{"attribute_name":"{name}"}},"predicate":{{{predicate}}}}}]}}]"#
            );
            assert_eq!(excludes(&groups), !holds, "{predicate} of {name}");
        }
    }

    #[test]
    fn facts_that_are_no_attributes() {
        for (kind, value, holds) in [
            ("HOSTNAME", "h1.example", true),
            ("HOSTNAME", "h1", false),
            ("REGION", "r", true),
            // Of which there is none.
            ("ZONE", "z", false),
        ] {
            let groups = format!(
                r#"[{{"attribute_constraints":[{{"selector":{{"pseudoattribute_type":"{kind}"}},"predicate":{{"text_equals":{{"value":"{value}"}}}}}}]}}]"#
            );
            assert_eq!(excludes(&groups), !holds, "{kind} {value}");
        }
    }

    #[test]
    fn one_group_must_hold_with_all_its_conditions() {
        let has = |name: &str| {
            format!(r#"{{"selector":{{"attribute_name":"{name}"}},"predicate":{{"exists":{{}}}}}}"#)
        };
        let both =
            |one: &str, two: &str| format!(r#"{{"attribute_constraints":[{},{}]}}"#, has(one), has(two));
        assert!(!excludes(&format!("[{}]", both("rack", "level"))));
        assert!(excludes(&format!("[{}]", both("rack", "none"))));
        assert!(!excludes(&format!(
            "[{},{}]",
            both("rack", "none"),
            both("level", "rack")
        )));
    }

    #[test]
    fn expressions_are_bounded_and_must_be_some() {
        let fault = |regex: &str, limits| {
            Regex::new(regex, limits)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        let usual = RegexLimits::default();
        assert!(fault("(", usual).unwrap_err().contains("'('"));
        assert!(fault("a)|(?:b", usual).is_err());
        assert!(fault("a{1,20}", usual).is_ok());
        assert!(fault("a{1,200}", usual).unwrap_err().contains("100 are allowed"));
        let more = RegexLimits {
            max_program_size: 1000,
            ..usual
        };
        // The memory bounds it as well.
        assert!(fault("a{1,200}", more).unwrap_err().contains("170 are allowed"));
        assert!(
            fault(
                "a{1,200}",
                RegexLimits {
                    max_mem: 65_536,
                    ..more
                }
            )
            .is_ok()
        );
        // What would take very long to compile is given up.
        assert!(fault("(((a{100}){100}){100}){100}", usual).is_err());
    }
}
