//! The executor API of an agent, as far as a test wants it to work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use containerizer::posix::Posix;
use proto::Message as _;
use proto::v1::executor::call::Type;
use proto::v1::executor::{Call, Event, event};
use proto::v1::framework_info::{Capability, capability};
use proto::v1::{AgentInfo, ContainerId, ExecutorInfo, FrameworkInfo, TaskState, TaskStatus};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What becomes of the next subscription. When the list is empty, it is accepted.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The connection is closed without a word.
    Close,
    /// Another status.
    Status(u16),
    /// 200, and then nothing.
    Silence,
    /// 200 and these bytes in the stream, which then ends.
    Bytes(Vec<u8>),
}

/// An agent on a port of its own.
pub(crate) struct Agent {
    pub(crate) address: String,
    pub(crate) answers: Arc<Mutex<VecDeque<Answer>>>,
    pub(crate) options: Arc<Mutex<Options>>,
    calls: mpsc::UnboundedReceiver<Call>,
    stream: Arc<Mutex<Option<mpsc::UnboundedSender<Event>>>>,
    server: JoinHandle<()>,
}

/// How it answers calls.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Whether updates are acknowledged.
    pub(crate) acknowledge: bool,
    /// The status for calls other than SUBSCRIBE.
    pub(crate) status: u16,
    /// Whether the framework knows TASK_KILLING.
    pub(crate) killing: bool,
    /// What every call must bear; others are answered 401.
    pub(crate) token: Option<String>,
    /// The executor's container, and who makes those nested in it.
    pub(crate) containers: Option<(ContainerId, Posix)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            acknowledge: true,
            status: 202,
            killing: false,
            token: None,
            containers: None,
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Agent {
    pub(crate) async fn start() -> Self {
        Self::on(
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            Options::default(),
        )
    }

    /// A new agent process at the same address.
    pub(crate) async fn restart(address: &str) -> Self {
        Self::restart_as(address, Options::default()).await
    }

    /// The same, set up like this.
    pub(crate) async fn restart_as(address: &str, options: Options) -> Self {
        Self::on(TcpListener::bind(address).await.unwrap(), options)
    }

    /// Ends it: its port is free and its connections are closed.
    pub(crate) async fn stop(&mut self) {
        self.server.abort();
        drop((&mut self.server).await);
    }

    fn on(listener: TcpListener, options: Options) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let options = Arc::new(Mutex::new(options));
        let stream = Arc::new(Mutex::new(None));
        let (sender, calls) = mpsc::unbounded_channel();
        let shared = Shared {
            answers: Arc::clone(&answers),
            options: Arc::clone(&options),
            stream: Arc::clone(&stream),
            calls: sender,
        };
        let server = tokio::spawn(async move {
            // Connections end with the agent.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, shared.clone()));
            }
        });
        Self {
            address,
            answers,
            options,
            calls,
            stream,
            server,
        }
    }

    /// The next call of any kind.
    pub(crate) async fn call(&mut self) -> Call {
        self.calls.recv().await.unwrap()
    }

    /// The next subscription.
    pub(crate) async fn subscription(&mut self) -> Call {
        loop {
            let call = self.call().await;
            if call.r#type() == Type::Subscribe {
                return call;
            }
        }
    }

    /// The status of the next update.
    pub(crate) async fn update(&mut self) -> TaskStatus {
        loop {
            let call = self.call().await;
            if let Some(update) = call.update {
                return update.status;
            }
        }
    }

    /// The next update has this state; its message.
    pub(crate) async fn update_is(&mut self, state: TaskState) -> Option<String> {
        let status = self.update().await;
        assert_eq!(status.state(), state, "{status:?}");
        status.message
    }

    /// Sends an event on the stream that stands.
    pub(crate) fn send(&self, event: Event) {
        self.stream
            .lock()
            .unwrap()
            .as_ref()
            .expect("subscribed")
            .send(event)
            .unwrap();
    }

    /// The next update is of this task and has this state.
    pub(crate) async fn update_of(&mut self, task: &str, state: TaskState) -> TaskStatus {
        let status = self.update().await;
        assert_eq!(
            (status.task_id.value.as_str(), status.state()),
            (task, state),
            "{status:?}"
        );
        status
    }

    /// Ends the stream that stands.
    pub(crate) fn cut(&self) {
        self.stream.lock().unwrap().take().expect("subscribed");
    }
}

#[derive(Clone)]
struct Shared {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    options: Arc<Mutex<Options>>,
    stream: Arc<Mutex<Option<mpsc::UnboundedSender<Event>>>>,
    calls: mpsc::UnboundedSender<Call>,
}

async fn serve(socket: TcpStream, shared: Shared) {
    let mut socket = BufReader::new(socket);
    while let Some((head, body)) = read_request(&mut socket).await {
        if head.starts_with("POST /slave(1)/api/v1 HTTP/1.1\r\n") {
            let (_, posix) = shared.options.lock().unwrap().containers.clone().unwrap();
            return crate::nested::serve(socket.into_inner(), &posix, &head, &body).await;
        }
        assert!(
            head.starts_with("POST /slave(1)/api/v1/executor HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.to_ascii_lowercase()
                .contains("content-type: application/x-protobuf\r\n"),
            "{head}"
        );
        let token = shared.options.lock().unwrap().token.clone();
        if token.is_some_and(|token| !head.contains(&format!("\r\nauthorization: Bearer {token}\r\n"))) {
            return misbehave(socket, Answer::Status(401)).await;
        }
        let call = Call::decode(body.as_slice()).unwrap();
        let subscribe = call.r#type() == Type::Subscribe;
        if subscribe {
            let answer = shared.answers.lock().unwrap().pop_front();
            // Taken before the call is shown, so that a test may send as soon as it has seen it.
            let events = answer.is_none().then(|| subscribe_stream(&shared));
            shared.calls.send(call).unwrap_or_default();
            return match (answer, events) {
                (None, Some(events)) => stream(socket, events).await,
                (Some(answer), _) => misbehave(socket, answer).await,
                (None, None) => {}
            };
        }
        let options = shared.options.lock().unwrap().clone();
        let answer = format!("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", options.status);
        let acknowledged = call.update.as_ref().map(|update| event::Acknowledged {
            task_id: update.status.task_id.clone(),
            uuid: update.status.uuid.clone().unwrap(),
        });
        shared.calls.send(call).unwrap_or_default();
        if socket.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if let (Some(acknowledged), true) = (acknowledged, options.acknowledge && options.status == 202) {
            let event = Event {
                r#type: Some(event::Type::Acknowledged as i32),
                acknowledged: Some(acknowledged),
                ..Event::default()
            };
            if let Some(stream) = shared.stream.lock().unwrap().as_ref() {
                stream.send(event).unwrap_or_default();
            }
        }
    }
}

fn subscribe_stream(shared: &Shared) -> mpsc::UnboundedReceiver<Event> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let Options {
        killing, containers, ..
    } = shared.options.lock().unwrap().clone();
    let capability = Capability {
        r#type: Some(capability::Type::TaskKillingState as i32),
    };
    let framework_info = FrameworkInfo {
        capabilities: if killing { vec![capability] } else { Vec::new() },
        ..FrameworkInfo::default()
    };
    let subscribed = event::Subscribed {
        executor_info: ExecutorInfo::default(),
        framework_info,
        agent_info: AgentInfo::default(),
        container_id: containers.map(|(own, _)| own),
    };
    let event = Event {
        r#type: Some(event::Type::Subscribed as i32),
        subscribed: Some(subscribed),
        ..Event::default()
    };
    sender.send(event).unwrap();
    *shared.stream.lock().unwrap() = Some(sender);
    receiver
}

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nTransfer-Encoding: chunked\r\n\r\n";

async fn stream(mut socket: BufReader<TcpStream>, mut events: mpsc::UnboundedReceiver<Event>) {
    if socket.get_mut().write_all(STREAM).await.is_err() {
        return;
    }
    while let Some(event) = events.recv().await {
        let record = recordio::encode(&event.encode_to_vec());
        if socket.get_mut().write_all(&chunk(&record)).await.is_err() {
            return;
        }
    }
}

async fn misbehave(mut socket: BufReader<TcpStream>, answer: Answer) {
    let socket = socket.get_mut();
    let written = match answer {
        Answer::Close => Ok(()),
        Answer::Status(status) => {
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\nsorry");
            socket.write_all(answer.as_bytes()).await
        }
        Answer::Silence => {
            socket.write_all(STREAM).await.unwrap();
            // Until the other side gives up.
            socket.read(&mut [0]).await.map(|_| ())
        }
        Answer::Bytes(bytes) => {
            socket.write_all(STREAM).await.unwrap();
            socket.write_all(&chunk(&bytes)).await
        }
    };
    // It may be gone already, which is what such an agent deserves.
    drop(written);
}

fn chunk(bytes: &[u8]) -> Bytes {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk.into()
}

async fn read_request(socket: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
