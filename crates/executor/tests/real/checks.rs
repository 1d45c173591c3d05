//! Checks and health checks of a command task, with real processes and sockets.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use libtest_mimic::Trial;
use proto::v1::task_status::Reason;
use proto::v1::{CheckInfo, CommandInfo, HealthCheck, TaskInfo, TaskState, check_info, health_check};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::command::Bench;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_command_check_runs_as_the_task_does", command_check),
        trial("a_check_that_hangs_is_given_up_and_leaves_nothing", hanging_check),
        trial("an_http_health_check_sees_health_come_and_go", http_health),
        trial("an_http_check_follows_redirects_and_tells_the_code", http_check),
        trial("a_tcp_health_check_kills_a_task_nobody_answers_for", tcp_health),
    ]
}

fn command(text: &str) -> CommandInfo {
    CommandInfo {
        value: Some(text.to_owned()),
        ..CommandInfo::default()
    }
}

fn check(kind: check_info::Type) -> CheckInfo {
    CheckInfo {
        r#type: Some(kind as i32),
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.05),
        timeout_seconds: Some(10.0),
        ..CheckInfo::default()
    }
}

fn health(kind: health_check::Type, failures: u32) -> HealthCheck {
    HealthCheck {
        r#type: Some(kind as i32),
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.05),
        timeout_seconds: Some(10.0),
        grace_period_seconds: Some(0.0),
        consecutive_failures: Some(failures),
        ..HealthCheck::default()
    }
}

const SLEEP: &str = "echo ready; exec sleep 1000";

async fn command_check() {
    let text = "test $MESOS_EXECUTOR_ID = t1 && test $(pwd) = $MESOS_SANDBOX && test -e healthy";
    let task = TaskInfo {
        check: Some(CheckInfo {
            command: Some(check_info::Command {
                command: command(text),
            }),
            ..check(check_info::Type::Command)
        }),
        ..TaskInfo::default()
    };
    let mut bench = Bench::running(SLEEP, task).await;
    for expected in [Some(1), Some(0)] {
        let status = bench.agent.update().await;
        assert_eq!(status.state(), TaskState::TaskRunning);
        assert_eq!(status.reason(), Reason::TaskCheckStatusUpdated);
        let told = status.check_status.unwrap();
        assert_eq!(told.r#type(), check_info::Type::Command);
        assert_eq!(told.command.unwrap().exit_code, expected);
        fs::write(bench.directory.path().join("sandbox/healthy"), "").unwrap();
    }
    bench.kill(None);
    bench.agent.update_is(TaskState::TaskKilling).await;
    let status = bench.agent.update().await;
    assert_eq!(status.state(), TaskState::TaskKilled);
    assert_eq!(status.check_status.unwrap().command.unwrap().exit_code, Some(0));
    bench.ends(0).await;
}

async fn hanging_check() {
    let task = TaskInfo {
        health_check: Some(HealthCheck {
            command: Some(command("setsid sleep 1000 & echo $$ > hanging; sleep 1000; true")),
            timeout_seconds: Some(0.3),
            ..health(health_check::Type::Command, 100)
        }),
        ..TaskInfo::default()
    };
    let mut bench = Bench::running(SLEEP, task).await;
    let status = bench.agent.update().await;
    assert_eq!(
        (status.healthy, status.reason()),
        (Some(false), Reason::TaskHealthCheckStatusUpdated)
    );
    let sandbox = bench.directory.path().join("sandbox");
    let first = fs::read_to_string(sandbox.join("hanging")).unwrap();
    let proc = std::path::Path::new("/proc").join(first.trim());
    let mut interval = tokio::time::interval(std::time::Duration::from_millis(5));
    while proc.exists() {
        interval.tick().await;
    }
    bench.kill(None);
    loop {
        let status = bench.agent.update().await;
        if status.state() == TaskState::TaskKilled {
            assert_eq!(status.healthy, None, "it was not killed for its health");
            break;
        }
    }
    bench.ends(0).await;
}

/// A server on a port of its own that answers `/` with what `status` says, and `/moved` with a redirect there.
async fn server(status: Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap_or(0);
            let moved = request[..length].starts_with(b"GET /moved ");
            let answer = if moved {
                "HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_owned()
            } else {
                let status = status.load(Ordering::SeqCst);
                format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")
            };
            // A check that was given up does not listen any more.
            let _gone = socket.write_all(answer.as_bytes()).await;
        }
    });
    port
}

async fn http_health() {
    let answer = Arc::new(AtomicU16::new(200));
    let port = server(Arc::clone(&answer)).await;
    let task = TaskInfo {
        health_check: Some(HealthCheck {
            http: Some(health_check::HttpCheckInfo {
                port: port.into(),
                ..health_check::HttpCheckInfo::default()
            }),
            ..health(health_check::Type::Http, 2)
        }),
        ..TaskInfo::default()
    };
    let mut bench = Bench::running(SLEEP, task).await;
    assert_eq!(bench.agent.update().await.healthy, Some(true));
    answer.store(500, Ordering::SeqCst);
    assert_eq!(bench.agent.update().await.healthy, Some(false));
    assert_eq!(bench.agent.update().await.healthy, Some(false));
    bench.agent.update_is(TaskState::TaskKilling).await;
    let status = bench.agent.update().await;
    assert_eq!(status.state(), TaskState::TaskKilled);
    assert_eq!(status.healthy, Some(false));
    bench.ends(0).await;
}

async fn http_check() {
    let port = server(Arc::new(AtomicU16::new(418))).await;
    let task = TaskInfo {
        check: Some(CheckInfo {
            http: Some(check_info::Http {
                port: port.into(),
                path: Some("/moved".to_owned()),
            }),
            ..check(check_info::Type::Http)
        }),
        ..TaskInfo::default()
    };
    let mut bench = Bench::running(SLEEP, task).await;
    let status = bench.agent.update().await;
    assert_eq!(status.check_status.unwrap().http.unwrap().status_code, Some(418));
    bench.kill(None);
    bench.agent.update_is(TaskState::TaskKilling).await;
    bench.agent.update_is(TaskState::TaskKilled).await;
    bench.ends(0).await;
}

async fn tcp_health() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = TaskInfo {
        health_check: Some(HealthCheck {
            tcp: Some(health_check::TcpCheckInfo {
                port: port.into(),
                ..health_check::TcpCheckInfo::default()
            }),
            ..health(health_check::Type::Tcp, 1)
        }),
        ..TaskInfo::default()
    };
    let mut bench = Bench::running(SLEEP, task).await;
    assert_eq!(bench.agent.update().await.healthy, Some(true));
    drop(listener);
    assert_eq!(bench.agent.update().await.healthy, Some(false));
    bench.agent.update_is(TaskState::TaskKilling).await;
    assert_eq!(bench.agent.update().await.healthy, Some(false));
    bench.ends(0).await;
}
