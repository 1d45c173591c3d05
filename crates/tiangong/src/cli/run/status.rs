//! What a last status says about the command.

use proto::v1;

/// The exit code a shell would give: the command's own, or 128 plus the signal's number. `None` when the command did not end by
/// itself or never ran.
pub(super) fn exit_code(status: &v1::TaskStatus) -> Option<u8> {
    if status.state() == v1::TaskState::TaskFinished {
        return Some(0);
    }
    let message = status.message();
    // Compat: the words of the command executor are the only place where the number stands.
    if let Some(number) = message.strip_prefix("Command exited with status ") {
        return number.trim().parse().ok();
    }
    let signal = message.strip_prefix("Command terminated with signal ")?;
    let signal = signal.trim_end_matches(" (core dumped)");
    let number =
        (1..=64_u8).find(|number| containerizer::program::signal_text(i32::from(*number)) == signal)?;
    Some(128 + number)
}

/// A line about a command that did not run to its end.
pub(super) fn reason(status: &v1::TaskStatus) -> String {
    let reason = match status.reason {
        Some(_) => format!(" ({})", status.reason().as_str_name()),
        None => String::new(),
    };
    let message = match status.message() {
        "" => "no reason was given",
        message => message,
    };
    let advice = match status.state() {
        v1::TaskState::TaskError => "\n  the cluster refused the task as it is; check the arguments",
        v1::TaskState::TaskLost | v1::TaskState::TaskGone | v1::TaskState::TaskDropped => {
            "\n  its agent was lost; run it again"
        }
        _ => "",
    };
    format!(
        "the command is {}{reason}: {message}{advice}",
        super::common::state(status.state())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: v1::TaskState, message: &str, expected: Option<u8>) {
        let status = v1::TaskStatus {
            state: state.into(),
            message: Some(message.to_owned()),
            ..v1::TaskStatus::default()
        };
        assert_eq!(exit_code(&status), expected, "{message}");
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        check(
            v1::TaskState::TaskFinished,
            "Command exited with status 0",
            Some(0),
        );
        check(v1::TaskState::TaskFailed, "Command exited with status 7", Some(7));
        check(
            v1::TaskState::TaskFailed,
            "Command terminated with signal Killed",
            Some(137),
        );
        check(
            v1::TaskState::TaskKilled,
            "Command terminated with signal Terminated",
            Some(143),
        );
        check(
            v1::TaskState::TaskFailed,
            "Command terminated with signal Segmentation fault (core dumped)",
            Some(139),
        );
        check(v1::TaskState::TaskFailed, "Failed to launch container", None);
        check(v1::TaskState::TaskLost, "", None);
    }
}
