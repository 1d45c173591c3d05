//! The part of an agent's operator API that launches nested containers, in front of a real containerizer.

use containerizer::posix::Posix;
use containerizer::{ContainerClass, ContainerConfig, Containerizer, Error, Launched};
use proto::Message as _;
use proto::v1::agent::call::Type;
use proto::v1::agent::{Call, Response, response};
use proto::v1::{CommandInfo, ContainerId, ContainerInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers the one call of a connection.
pub(crate) async fn serve(mut socket: TcpStream, posix: &Posix, head: &str, body: &[u8]) {
    let call = Call::decode(body).unwrap();
    let (status, answer) = match call.r#type() {
        Type::LaunchContainer => {
            let launch = call.launch_container.unwrap();
            launched(posix, &launch.container_id, launch.command, launch.container).await
        }
        Type::LaunchNestedContainerSession => {
            assert!(
                head.to_ascii_lowercase()
                    .contains("message-accept: application/x-protobuf")
            );
            let launch = call.launch_nested_container_session.unwrap();
            return session(socket, posix, launch.container_id, launch.command).await;
        }
        Type::WaitNestedContainer => match posix
            .wait(&call.wait_nested_container.unwrap().container_id)
            .await
        {
            Some(termination) => {
                let answer = Response {
                    r#type: Some(response::Type::WaitNestedContainer as i32),
                    wait_nested_container: Some(response::WaitNestedContainer {
                        exit_status: termination.status,
                        ..response::WaitNestedContainer::default()
                    }),
                    ..Response::default()
                };
                (200, answer.encode_to_vec())
            }
            None => (404, Vec::new()),
        },
        Type::KillNestedContainer => {
            let kill = call.kill_nested_container.unwrap();
            match posix.kill(&kill.container_id, kill.signal.unwrap()).await {
                Ok(()) => (200, Vec::new()),
                Err(_) => (404, Vec::new()),
            }
        }
        Type::RemoveNestedContainer => {
            match posix
                .remove(&call.remove_nested_container.unwrap().container_id)
                .await
            {
                Ok(()) => (200, Vec::new()),
                Err(error) => (500, error.to_string().into_bytes()),
            }
        }
        other => panic!("{other:?}"),
    };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", answer.len());
    // The executor may be gone, as one that was killed is.
    let _gone = socket.write_all(&[head.as_bytes(), &answer].concat()).await;
}

async fn launched(
    posix: &Posix,
    id: &ContainerId,
    command: Option<CommandInfo>,
    container: Option<ContainerInfo>,
) -> (u16, Vec<u8>) {
    let config = ContainerConfig {
        command: command.unwrap(),
        container,
        ..ContainerConfig::default()
    };
    match posix.launch(id, config).await {
        Ok(Launched::Success { .. }) => (200, Vec::new()),
        Ok(Launched::AlreadyLaunched) => (202, Vec::new()),
        Ok(Launched::NotSupported) => (400, b"not supported".to_vec()),
        Err(error) => (400, error.to_string().into_bytes()),
    }
}

/// The output of a session, whose container ends when nobody listens any more.
async fn session(mut socket: TcpStream, posix: &Posix, id: ContainerId, command: Option<CommandInfo>) {
    let config = ContainerConfig {
        command: command.unwrap(),
        class: ContainerClass::Debug,
        ..ContainerConfig::default()
    };
    match posix.launch(&id, config).await {
        Ok(_) => {}
        Err(Error::UnknownParent(_) | Error::ParentDestroyed(_)) => {
            let _gone = socket
                .write_all(b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n")
                .await;
            return;
        }
        Err(error) => panic!("{error}"),
    }
    let mut output = posix.attach_output(&id).await.unwrap();
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/recordio\r\nConnection: close\r\n\r\n";
    let mut written = socket.write_all(head).await;
    while written.is_ok() {
        written = tokio::select! {
            record = output.next() => match record {
                Some(record) => socket.write_all(&recordio::encode(&record.encode_to_vec())).await,
                None => return,
            },
            // The executor closes it before the end.
            _ = socket.read_u8() => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
    }
    posix.destroy(&id).await.unwrap();
}
