//! A registry whose file was damaged on the disk: an error or a registry, never the end of the process.

use std::sync::Arc;

use proto::v1;
use storage::registry::Operation;
use storage::{Embedded, Registrar, Store};

fn admit(number: usize) -> Operation {
    Operation::AdmitAgent {
        info: v1::AgentInfo {
            id: Some(v1::AgentId {
                value: format!("S{number}"),
            }),
            hostname: "host".to_owned(),
            ..v1::AgentInfo::default()
        },
    }
}

/// Opens the file and uses all of it, as a master that comes to lead does; then writes.
fn lead(path: &std::path::Path) -> Result<usize, storage::Error> {
    let store: Arc<dyn Store> = Arc::new(Embedded::open(path)?);
    let mut registrar = Registrar::recover(store, v1::MasterInfo::default())?;
    registrar.apply(&[admit(999)])?.pop();
    Ok(registrar.to_proto().slaves.unwrap_or_default().slaves.len())
}

#[test]
fn a_damaged_file_is_an_error_or_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry");
    let store: Arc<dyn Store> = Arc::new(Embedded::open(&path).unwrap());
    let mut registrar = Registrar::recover(store, v1::MasterInfo::default()).unwrap();
    for number in 0..20 {
        registrar.apply(&[admit(number)]).unwrap().pop().unwrap().unwrap();
    }
    drop(registrar);
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(lead(&path).unwrap(), 21);
    // Where something is, and more of the head.
    let used =
        |at: &usize| (*at < 320 && at.is_multiple_of(3)) || (whole[*at] != 0 && at.is_multiple_of(251));
    let places: Vec<usize> = (0..whole.len()).filter(used).collect();
    let mut refused = 0;
    for at in places {
        let mut damaged = whole.clone();
        damaged[at] = !damaged[at];
        std::fs::write(&path, &damaged).unwrap();
        refused += usize::from(lead(&path).is_err());
    }
    for length in [0, 1, 100, 4096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        refused += usize::from(lead(&path).is_err());
    }
    assert!(refused > 10, "damage is noticed, {refused} times");
}
