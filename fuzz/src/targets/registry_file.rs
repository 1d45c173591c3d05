//! The registry's file, damaged: it opens or is refused, and what it holds is a registry or an error.

use std::fs;
use std::sync::Arc;

use proto::v1;
use storage::registry::Operation;
use storage::{Embedded, Registrar, Store};

use super::folder::Folder;
use super::source::Source;

struct File {
    folder: Folder,
    whole: Vec<u8>,
}

thread_local! {
    static FILE: File = File::new();
}

/// Each group of bytes damages the file at one place.
pub fn run(bytes: &[u8]) {
    FILE.with(|file| {
        let mut source = Source::new(bytes);
        let mut damaged = file.whole.clone();
        while !source.is_empty() {
            damage(&mut damaged, &mut source);
        }
        let path = file.folder.path().join("damaged");
        fs::write(&path, &damaged).expect("a file can be written");
        if let Ok(store) = Embedded::open(&path) {
            let _ended = Registrar::recover(Arc::new(store), v1::MasterInfo::default());
        }
    });
}

/// Most of the file is empty: three of four go where something is.
fn damage(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let span = match source.below(4) {
        0 => bytes.len(),
        1 => 512,
        2 => 64 << 10,
        _ => 8 << 10,
    };
    let at = (source.number() << 8 | usize::from(source.byte())) % span.max(1);
    match source.below(4) {
        0 if at > 0 => bytes.truncate(at),
        1 => {
            for (place, value) in bytes.iter_mut().skip(at).zip(source.bytes()) {
                *place = value;
            }
        }
        _ => {
            let bit = 1 << source.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bit;
            }
        }
    }
}

impl File {
    fn new() -> Self {
        // The store turns panics of the library below it into errors; a hook that ends the process comes too early.
        std::panic::set_hook(Box::new(|panic| {
            if !panic.location().is_some_and(|at| at.file().contains("/redb-")) {
                eprintln!("{panic}");
            }
        }));
        let folder = Folder::new("registry");
        let path = folder.path().join("whole");
        let store = Embedded::open(&path).expect("a new store can be made");
        let mut registrar = Registrar::recover(Arc::new(store) as Arc<dyn Store>, v1::MasterInfo::default())
            .expect("a new registry can be read");
        for number in 0..20 {
            let admit = Operation::AdmitAgent {
                info: v1::AgentInfo {
                    id: Some(v1::AgentId {
                        value: format!("S{number}"),
                    }),
                    hostname: "host".to_owned(),
                    ..v1::AgentInfo::default()
                },
            };
            let admitted = registrar.apply(&[admit]);
            assert!(admitted.is_ok(), "a new registry can be written");
        }
        drop(registrar);
        let whole = fs::read(&path).expect("the store has a file");
        Self { folder, whole }
    }
}
