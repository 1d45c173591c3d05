//! A store in one file.

use crate::Error;
use crate::store::{Change, Epoch, Pair, Store, check_sizes};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const EPOCH: &str = "epoch";
/// Under which the version of all this stands; files from before it was written are of the first.
const FORMAT: &str = "format";
const FIRST_FORMAT: u64 = 1;

/// Does what touches the file. The library panics at pages whose bytes make no sense; here that is an error like any
/// other of the file, after which nothing is relied on.
fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::Backend("the file is damaged".into())))
}

/// How many writes one sync may carry; more wait for the next.
const MAX_GROUP: usize = 1024;

/// Keeps everything in one file, which one process opens at a time.
///
/// Writes that arrive while one is being synced are grouped: the next sync carries them all, so that many
/// threads together are not slower than one. Each is atomic by itself, and refused by itself when deposed.
pub struct Embedded {
    /// There until the store is dropped.
    database: Option<Database>,
    queue: Mutex<Queue>,
    done: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Arc<Request>>,
    /// Somebody is writing a group.
    busy: bool,
}

struct Request {
    epoch: Epoch,
    changes: Vec<Change>,
    answer: Mutex<Option<Result<(), Error>>>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`Error::Backend`] when it cannot be opened, is no store, is damaged, or is open elsewhere; [`Error::Format`]
    /// when another version wrote it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let database = guarded(|| Database::create(path).map_err(Error::backend))?;
        let store = Self {
            database: Some(database),
            queue: Mutex::default(),
            done: Condvar::new(),
        };
        guarded(|| store.make_tables())?;
        Ok(store)
    }

    fn make_tables(&self) -> Result<(), Error> {
        let transaction = self.database()?.begin_write().map_err(Error::backend)?;
        transaction.open_table(VALUES).map_err(Error::backend)?;
        {
            let mut meta = transaction.open_table(META).map_err(Error::backend)?;
            let format = meta
                .get(FORMAT)
                .map_err(Error::backend)?
                .map(|format| format.value());
            match format {
                None => drop(meta.insert(FORMAT, FIRST_FORMAT).map_err(Error::backend)?),
                Some(FIRST_FORMAT) => {}
                Some(other) => {
                    return Err(Error::Format {
                        found: format!("format {other}"),
                        expected: format!("format {FIRST_FORMAT}"),
                    });
                }
            }
        }
        transaction.commit().map_err(Error::backend)
    }

    fn database(&self) -> Result<&Database, Error> {
        self.database
            .as_ref()
            .ok_or_else(|| Error::Backend("the store is closed".into()))
    }

    /// Writes one group in one transaction, and answers each of its requests.
    fn write_group(&self, group: &[Arc<Request>]) {
        match guarded(|| try_write_group(self.database()?, group).map_err(Error::backend)) {
            Ok(answers) => {
                for (request, answer) in group.iter().zip(answers) {
                    *request.answer.lock() = Some(answer);
                }
            }
            Err(error) => {
                let text = match &error {
                    Error::Backend(source) => source.to_string(),
                    other => other.to_string(),
                };
                for request in group {
                    *request.answer.lock() = Some(Err(Error::Backend(text.clone().into())));
                }
            }
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Closing writes too.
        if let Some(database) = self.database.take() {
            let _closed = guarded(|| {
                drop(database);
                Ok(())
            });
        }
    }
}

fn try_write_group(
    database: &Database,
    group: &[Arc<Request>],
) -> Result<Vec<Result<(), Error>>, redb::Error> {
    let transaction = database.begin_write()?;
    let mut answers = Vec::with_capacity(group.len());
    {
        let current = Epoch(
            transaction
                .open_table(META)?
                .get(EPOCH)?
                .map_or(0, |epoch| epoch.value()),
        );
        let mut values = transaction.open_table(VALUES)?;
        for request in group {
            if request.epoch != current {
                answers.push(Err(Error::Deposed {
                    mine: request.epoch,
                    current,
                }));
                continue;
            }
            for change in &request.changes {
                match change {
                    Change::Put { key, value } => values.insert(key.as_str(), value.as_ref())?,
                    Change::Delete { key } => values.remove(key.as_str())?,
                };
            }
            answers.push(Ok(()));
        }
    }
    transaction.commit()?;
    Ok(answers)
}

impl Store for Embedded {
    fn acquire(&self) -> Result<Epoch, Error> {
        guarded(|| self.try_acquire())
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        guarded(|| self.try_get(key))
    }

    fn scan(&self, prefix: &str) -> Result<Vec<Pair>, Error> {
        guarded(|| self.try_scan(prefix))
    }

    fn write(&self, epoch: Epoch, changes: Vec<Change>) -> Result<(), Error> {
        check_sizes(&changes)?;
        let request = Arc::new(Request {
            epoch,
            changes,
            answer: Mutex::new(None),
        });
        let mut queue = self.queue.lock();
        queue.waiting.push(Arc::clone(&request));
        loop {
            if let Some(answer) = request.answer.lock().take() {
                return answer;
            }
            if queue.busy {
                self.done.wait(&mut queue);
                continue;
            }
            // Nobody is writing: this thread writes for all that wait, itself among them or in a later round.
            queue.busy = true;
            let count = queue.waiting.len().min(MAX_GROUP);
            let group: Vec<Arc<Request>> = queue.waiting.drain(..count).collect();
            parking_lot::MutexGuard::unlocked(&mut queue, || self.write_group(&group));
            queue.busy = false;
            self.done.notify_all();
        }
    }
}

impl Embedded {
    fn try_acquire(&self) -> Result<Epoch, Error> {
        let transaction = self.database()?.begin_write().map_err(Error::backend)?;
        let next;
        {
            let mut meta = transaction.open_table(META).map_err(Error::backend)?;
            next = meta
                .get(EPOCH)
                .map_err(Error::backend)?
                .map_or(0, |epoch| epoch.value())
                + 1;
            meta.insert(EPOCH, next).map_err(Error::backend)?;
        }
        transaction.commit().map_err(Error::backend)?;
        Ok(Epoch(next))
    }

    fn try_get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let transaction = self.database()?.begin_read().map_err(Error::backend)?;
        let values = transaction.open_table(VALUES).map_err(Error::backend)?;
        let value = values.get(key).map_err(Error::backend)?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn try_scan(&self, prefix: &str) -> Result<Vec<Pair>, Error> {
        let transaction = self.database()?.begin_read().map_err(Error::backend)?;
        let values = transaction.open_table(VALUES).map_err(Error::backend)?;
        let mut pairs = Vec::new();
        for pair in values.range(prefix..).map_err(Error::backend)? {
            let (key, value) = pair.map_err(Error::backend)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            pairs.push((key.value().to_owned(), Bytes::copy_from_slice(value.value())));
        }
        Ok(pairs)
    }
}
