//! Wait statuses: the number `waitpid` gives, and the words tasks' messages use for it.

use nix::sys::signal::Signal;

/// Bit of a wait status that says a core was dumped.
const CORE_DUMPED: i32 = 0x80;

/// `exited with status N`, `terminated with signal Terminated`, with ` (core dumped)` where it was: what
/// follows `Command ` in a task's last message (facts: containerizer.md, section 11).
#[must_use]
pub fn describe_status(status: i32) -> String {
    let signal = status & 0x7f;
    if signal == 0 {
        return format!("exited with status {}", (status >> 8) & 0xff);
    }
    let core = if status & CORE_DUMPED == 0 {
        ""
    } else {
        " (core dumped)"
    };
    format!("terminated with signal {}{core}", signal_text(signal))
}

/// Whether a wait status means that the process ended by itself, and with which exit code.
#[must_use]
pub fn exit_status(status: i32) -> Option<i32> {
    (status & 0x7f == 0).then_some((status >> 8) & 0xff)
}

/// What the C library calls a signal: `Terminated` for 15. Unknown numbers are `Unknown signal N`.
///
/// Compat: clients show these words, and some match them; golden/wire has `Killed` and `Terminated`.
#[must_use]
pub fn signal_text(signal: i32) -> String {
    let Ok(signal) = Signal::try_from(signal) else {
        return match signal {
            34..=64 => format!("Real-time signal {}", signal - 34),
            _ => format!("Unknown signal {signal}"),
        };
    };
    let text = match signal {
        Signal::SIGHUP => "Hangup",
        Signal::SIGINT => "Interrupt",
        Signal::SIGQUIT => "Quit",
        Signal::SIGILL => "Illegal instruction",
        Signal::SIGTRAP => "Trace/breakpoint trap",
        Signal::SIGABRT => "Aborted",
        Signal::SIGBUS => "Bus error",
        Signal::SIGFPE => "Floating point exception",
        Signal::SIGKILL => "Killed",
        Signal::SIGUSR1 => "User defined signal 1",
        Signal::SIGSEGV => "Segmentation fault",
        Signal::SIGUSR2 => "User defined signal 2",
        Signal::SIGPIPE => "Broken pipe",
        Signal::SIGALRM => "Alarm clock",
        Signal::SIGTERM => "Terminated",
        Signal::SIGSTKFLT => "Stack fault",
        Signal::SIGCHLD => "Child exited",
        Signal::SIGCONT => "Continued",
        Signal::SIGSTOP => "Stopped (signal)",
        Signal::SIGTSTP => "Stopped",
        Signal::SIGTTIN => "Stopped (tty input)",
        Signal::SIGTTOU => "Stopped (tty output)",
        Signal::SIGURG => "Urgent I/O condition",
        Signal::SIGXCPU => "CPU time limit exceeded",
        Signal::SIGXFSZ => "File size limit exceeded",
        Signal::SIGVTALRM => "Virtual timer expired",
        Signal::SIGPROF => "Profiling timer expired",
        Signal::SIGWINCH => "Window changed",
        Signal::SIGIO => "I/O possible",
        Signal::SIGPWR => "Power failure",
        Signal::SIGSYS => "Bad system call",
        other => return format!("Unknown signal {}", other as i32),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_in_words() {
        assert_eq!(describe_status(0), "exited with status 0");
        assert_eq!(describe_status(7 << 8), "exited with status 7");
        assert_eq!(describe_status(255 << 8), "exited with status 255");
        assert_eq!(describe_status(15), "terminated with signal Terminated");
        assert_eq!(describe_status(9), "terminated with signal Killed");
        assert_eq!(
            describe_status(11 | 0x80),
            "terminated with signal Segmentation fault (core dumped)"
        );
        assert_eq!(describe_status(36), "terminated with signal Real-time signal 2");
    }

    #[test]
    fn only_an_exit_has_an_exit_status() {
        assert_eq!(exit_status(7 << 8), Some(7));
        assert_eq!(exit_status(9), None);
    }

    #[test]
    fn every_signal_has_the_words_of_the_c_library() {
        for signal in Signal::iterator() {
            assert!(!signal_text(signal as i32).starts_with("Unknown"), "{signal}");
        }
    }
}
