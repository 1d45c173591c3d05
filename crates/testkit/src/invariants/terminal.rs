//! A task has one terminal state and keeps it, as far as its scheduler is told.

use super::{Broken, Fact};
use crate::sim::is_terminal;

pub(super) fn check(fact: &Fact) -> Result<(), Broken> {
    let Fact::Seen {
        task,
        state,
        first: Some(first),
        ..
    } = fact
    else {
        return Ok(());
    };
    if state == first {
        return Ok(());
    }
    let what = if is_terminal(*state) {
        "another end"
    } else {
        "a state"
    };
    Err((
        "one terminal state",
        format!("task {task} was {first:?}, and then {what}: {state:?}"),
    ))
}
