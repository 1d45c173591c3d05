//! Containers that somebody looks into.

use std::fs;

use containerizer::proc::{Identity, Table};
use containerizer::{
    ContainerClass, ContainerConfig, ContainerOutput, Containerizer, Error, Launched, Termination,
};
use libtest_mimic::Trial;
use nix::libc::SIGKILL;
use proto::v1::agent::ProcessIo;
use proto::v1::agent::process_io::control::Type as ControlType;
use proto::v1::agent::process_io::data::Type as Stream;
use proto::v1::agent::process_io::{Control, Data, Type};
use proto::v1::container_info::Type as ContainerType;
use proto::v1::task_status::Reason;
use proto::v1::tty_info::WindowSize;
use proto::v1::{CommandInfo, ContainerId, ContainerInfo, TaskState, TtyInfo};

use crate::fixture::{Fixture, id, kill, trial, until, within};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_session_speaks_and_listens_in_its_parents_context", session),
        trial("input_that_is_closed_is_an_end_of_file", closed_input),
        trial("there_is_one_input_and_any_number_of_outputs", one_input),
        trial("a_reader_that_takes_nothing_is_cut_off", stuck_reader),
        trial("a_terminal_is_one_and_can_be_resized", terminal),
        trial("a_terminal_outlives_the_agent", terminal_survives),
        trial("a_session_nobody_looks_at_ends_all_the_same", unread),
        trial("a_lost_switchboard_ends_the_container_and_says_why", lost),
        trial(
            "without_terminal_or_session_there_is_nothing_to_attach_to",
            not_attachable,
        ),
    ]
}

fn nested(child: &str) -> ContainerId {
    ContainerId {
        value: child.to_owned(),
        parent: Some(Box::new(id("c1"))),
    }
}

fn config(command: &str, class: ContainerClass, tty: bool) -> ContainerConfig {
    ContainerConfig {
        command: CommandInfo {
            value: Some(command.to_owned()),
            ..CommandInfo::default()
        },
        class,
        container: tty.then(|| ContainerInfo {
            r#type: ContainerType::Mesos as i32,
            tty_info: Some(TtyInfo {
                window_size: Some(size(24, 80)),
            }),
            ..ContainerInfo::default()
        }),
        ..ContainerConfig::default()
    }
}

fn size(rows: u32, columns: u32) -> WindowSize {
    WindowSize { rows, columns }
}

fn stdin(data: &'static str) -> ProcessIo {
    ProcessIo {
        r#type: Some(Type::Data as i32),
        data: Some(Data {
            r#type: Some(Stream::Stdin as i32),
            data: Some(data.into()),
        }),
        ..ProcessIo::default()
    }
}

fn resize(rows: u32, columns: u32) -> ProcessIo {
    ProcessIo {
        r#type: Some(Type::Control as i32),
        control: Some(Control {
            r#type: Some(ControlType::TtyInfo as i32),
            tty_info: Some(TtyInfo {
                window_size: Some(size(rows, columns)),
            }),
            ..Control::default()
        }),
        ..ProcessIo::default()
    }
}

/// A fixture with a parent `c1`, whose environment has `MESOS_EXECUTOR_ID=c1`.
async fn parent() -> Fixture {
    let fixture = Fixture::new();
    fixture.launch("c1", "echo ready; sleep 1000; true").await;
    fixture.said("c1", "ready").await;
    fixture
}

/// Everything said until the end: standard output, standard error.
async fn all(mut output: ContainerOutput) -> (String, String) {
    let mut said = (Vec::new(), Vec::new());
    while let Some(record) = within(output.next()).await {
        let data = record.data.unwrap();
        match data.r#type() {
            Stream::Stdout => said.0.extend_from_slice(&data.data.unwrap()),
            Stream::Stderr => said.1.extend_from_slice(&data.data.unwrap()),
            other => panic!("{other:?}"),
        }
    }
    (
        String::from_utf8(said.0).unwrap(),
        String::from_utf8(said.1).unwrap(),
    )
}

/// Reads until the output so far has this in it.
async fn hear(output: &mut ContainerOutput, heard: &mut String, text: &str) {
    while !heard.contains(text) {
        let record = within(output.next()).await.unwrap();
        heard.push_str(&String::from_utf8_lossy(&record.data.unwrap().data.unwrap()));
    }
}

async fn session() {
    let fixture = parent().await;
    let child = nested("s");
    let command =
        "pwd; echo $MESOS_EXECUTOR_ID $MESOS_SANDBOX; echo oops >&2; read line; echo got $line; exit 5";
    fixture
        .posix
        .launch(&child, config(command, ContainerClass::Debug, false))
        .await
        .unwrap();
    // Nothing was lost although nobody looked at first.
    let output = within(fixture.posix.attach_output(&child)).await.unwrap();
    let input = within(fixture.posix.attach_input(&child)).await.unwrap();
    within(input.send(stdin("hello\n"))).await.unwrap();
    let said = all(output).await;
    let sandbox = fixture.sandbox("c1");
    assert_eq!(said.0, format!("{0}\nc1 {0}\ngot hello\n", sandbox.display()));
    assert_eq!(said.1, "oops\n");
    assert_eq!(
        within(fixture.posix.wait(&child)).await.unwrap(),
        Termination::of_status(5 << 8)
    );
    within(input.closed()).await;
    fixture.destroy("c1").await;
}

async fn closed_input() {
    let fixture = parent().await;
    let child = nested("s");
    fixture
        .posix
        .launch(&child, config("cat; echo end", ContainerClass::Debug, false))
        .await
        .unwrap();
    let input = within(fixture.posix.attach_input(&child)).await.unwrap();
    within(input.send(stdin("a"))).await.unwrap();
    drop(input);
    // Detaching is no end; another one may go on, as soon as the first is known to be gone.
    let input = loop {
        match within(fixture.posix.attach_input(&child)).await {
            Ok(input) => break input,
            Err(Error::InputTaken) => {}
            Err(error) => panic!("{error}"),
        }
    };
    within(input.send(stdin("b\n"))).await.unwrap();
    within(input.send(stdin(""))).await.unwrap();
    let error = within(input.send(stdin("late"))).await.unwrap_err();
    assert!(matches!(error, Error::Input { invalid: false, .. }), "{error}");
    let output = within(fixture.posix.attach_output(&child)).await.unwrap();
    assert_eq!(all(output).await.0, "ab\nend\n");
    assert_eq!(within(fixture.posix.wait(&child)).await.unwrap().status, Some(0));
    fixture.destroy("c1").await;
}

async fn one_input() {
    let fixture = parent().await;
    let child = nested("s");
    fixture
        .posix
        .launch(&child, config("cat", ContainerClass::Debug, false))
        .await
        .unwrap();
    let input = within(fixture.posix.attach_input(&child)).await.unwrap();
    assert!(matches!(
        within(fixture.posix.attach_input(&child)).await,
        Err(Error::InputTaken)
    ));
    let mut outputs = Vec::new();
    for _ in 0..3 {
        outputs.push(within(fixture.posix.attach_output(&child)).await.unwrap());
    }
    // Each is served before it hears anything: say it until all have.
    let mut heard = vec![String::new(); 3];
    for _ in 0..100 {
        within(input.send(stdin("hi\n"))).await.unwrap();
    }
    for (output, heard) in outputs.iter_mut().zip(&mut heard) {
        hear(output, heard, "hi").await;
    }
    let bad = ProcessIo::default();
    let error = within(input.send(bad)).await.unwrap_err();
    assert!(matches!(error, Error::Input { invalid: true, .. }), "{error}");
    // One that reads nothing more does not keep the others from the end.
    drop(outputs.pop());
    within(input.send(stdin(""))).await.unwrap();
    for output in outputs {
        all(output).await;
    }
    fixture.destroy("c1").await;
}

async fn stuck_reader() {
    let fixture = parent().await;
    let child = nested("s");
    let command = "read line; head -c 10000000 /dev/zero; echo end";
    fixture
        .posix
        .launch(&child, config(command, ContainerClass::Debug, false))
        .await
        .unwrap();
    let mut stuck = within(fixture.posix.attach_output(&child)).await.unwrap();
    let reader = within(fixture.posix.attach_output(&child)).await.unwrap();
    let input = within(fixture.posix.attach_input(&child)).await.unwrap();
    within(input.send(stdin("go\n"))).await.unwrap();
    let said = all(reader).await.0;
    assert_eq!(said.len(), 10_000_004);
    assert!(said.ends_with("end\n"));
    assert_eq!(within(fixture.posix.wait(&child)).await.unwrap().status, Some(0));
    let mut taken = 0;
    while let Some(record) = within(stuck.next()).await {
        taken += record.data.unwrap().data.unwrap().len();
    }
    assert!(taken < said.len(), "what it was sent before it was given up");
    fixture.destroy("c1").await;
}

/// A command that shows what its terminal is, then its size again when told to.
const ON_TERMINAL: &str =
    "tty; stty size < $(tty); echo ready; read line; stty size; test -t 0 && test -t 1 && test -t 2";

async fn terminal() {
    let fixture = parent().await;
    let child = nested("t");
    fixture
        .posix
        .launch(&child, config(ON_TERMINAL, ContainerClass::Default, true))
        .await
        .unwrap();
    let log = fixture.sandbox("c1").join("containers/t/stdout");
    let logged = || fs::read_to_string(&log).unwrap_or_default();
    until("the command is ready", || logged().contains("ready")).await;
    assert!(logged().starts_with("/dev/pts/"), "{}", logged());
    assert!(logged().contains("24 80\r\n"), "{}", logged());
    let output = within(fixture.posix.attach_output(&child)).await.unwrap();
    let input = within(fixture.posix.attach_input(&child)).await.unwrap();
    within(input.send(resize(50, 132))).await.unwrap();
    within(input.send(stdin("go\n"))).await.unwrap();
    assert_eq!(within(fixture.posix.wait(&child)).await.unwrap().status, Some(0));
    all(output).await;
    assert!(logged().ends_with("50 132\r\n"), "{}", logged());
    fixture.destroy("c1").await;
}

async fn terminal_survives() {
    let fixture = parent().await;
    let child = nested("t");
    fixture
        .posix
        .launch(&child, config(ON_TERMINAL, ContainerClass::Default, true))
        .await
        .unwrap();
    let log = fixture.sandbox("c1").join("containers/t/stdout");
    until("the command is ready", || {
        fs::read_to_string(&log).unwrap_or_default().contains("ready")
    })
    .await;
    let posix = fixture.restarted();
    let recovered = within(posix.recover(vec![fixture.recoverable("c1")]))
        .await
        .unwrap();
    assert_eq!(recovered.nested, std::slice::from_ref(&child));
    let input = within(posix.attach_input(&child)).await.unwrap();
    within(input.send(stdin("go\n"))).await.unwrap();
    assert_eq!(within(posix.wait(&child)).await.unwrap().status, Some(0));
    within(posix.destroy(&id("c1"))).await.unwrap();
    fixture.assert_gone("c1");
}

async fn unread() {
    let fixture = parent().await;
    let child = nested("s");
    fixture
        .posix
        .launch(&child, config("echo hello; exit 1", ContainerClass::Debug, false))
        .await
        .unwrap();
    assert_eq!(
        within(fixture.posix.wait(&child)).await.unwrap().status,
        Some(1 << 8)
    );
    assert_eq!(switchboards(&fixture), Vec::new());
    fixture.destroy("c1").await;
}

/// The switchboards below this fixture's directory.
fn switchboards(fixture: &Fixture) -> Vec<Identity> {
    let directory = fixture.directory.path().to_str().unwrap().to_owned();
    Table::read()
        .iter()
        .filter(|stat| stat.is_alive())
        .filter(|stat| {
            let line = fs::read(format!("/proc/{}/cmdline", stat.pid)).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.starts_with("mesos-io-switchboard") && line.contains(&directory)
        })
        .map(|stat| stat.identity())
        .collect()
}

async fn lost() {
    let fixture = parent().await;
    let child = nested("t");
    let launched = fixture
        .posix
        .launch(
            &child,
            config(
                "trap '' HUP; echo ready; sleep 1000; true",
                ContainerClass::Default,
                true,
            ),
        )
        .await
        .unwrap();
    assert!(matches!(launched, Launched::Success { .. }));
    let log = fixture.sandbox("c1").join("containers/t/stdout");
    // Before that the hangup would end it.
    until("the command is ready", || {
        fs::read_to_string(&log).unwrap_or_default().contains("ready")
    })
    .await;
    let found = switchboards(&fixture);
    assert_eq!(found.len(), 1);
    kill(found[0]);
    let termination = within(fixture.posix.wait(&child)).await.unwrap();
    assert_eq!(
        (termination.status, termination.state, termination.reason),
        (
            Some(SIGKILL),
            Some(TaskState::TaskFailed),
            Some(Reason::IoSwitchboardExited)
        )
    );
    assert_eq!(
        termination.message.as_deref(),
        Some("'IOSwitchboard' terminated with signal Killed")
    );
    fixture.destroy("c1").await;
}

async fn not_attachable() {
    let fixture = parent().await;
    for error in [
        within(fixture.posix.attach_output(&id("c1"))).await.unwrap_err(),
        within(fixture.posix.attach_input(&id("c1"))).await.unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "I/O switchboard server was disabled for this container"
        );
    }
    assert!(matches!(
        within(fixture.posix.attach_output(&nested("nobody"))).await,
        Err(Error::UnknownContainer(_))
    ));
    fixture.destroy("c1").await;
}
