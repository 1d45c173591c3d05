//! Command lines: each is taken or refused with a sentence, and what is taken shows as something that is taken again.

/// Arguments that lead to devices are left out: reading one may never end.
fn is_harmless(text: &str) -> bool {
    !["/dev", "/proc", "/sys"].iter().any(|place| text.contains(place))
}

/// The lines are arguments; those before an empty line are variables of the environment.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if !is_harmless(text) {
        return;
    }
    let (variables, arguments) = text.split_once("\n\n").unwrap_or(("", text));
    let environment = || {
        let pairs = variables.lines().filter_map(|line| line.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<Vec<_>>()
    };
    let arguments = || arguments.lines().map(str::to_owned).collect::<Vec<_>>();
    check(&master::flags::TABLE, arguments(), environment());
    check(&agent::TABLE, arguments(), environment());
    let _taken_or_not = master::Flags::parse(arguments(), environment());
    let _taken_or_not = agent::Flags::parse(arguments(), environment());
}

fn check(table: &process::flags::Table, arguments: Vec<String>, environment: Vec<(String, String)>) {
    match table.parse(arguments, environment) {
        Ok(values) => {
            for (name, value) in values.display() {
                assert!(table.find(name).is_some(), "{name} is a flag");
                let _shown = value;
            }
        }
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal has a reason"),
    }
}
