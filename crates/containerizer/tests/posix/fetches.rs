//! URIs in the sandbox.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use containerizer::Containerizer;
use libtest_mimic::Trial;
use proto::v1::command_info::Uri;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::fixture::{Fixture, id, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("files_are_there_before_the_command_starts", files),
        trial("archives_are_extracted_and_executables_are_not", archives),
        trial("downloads_follow_redirects", downloads),
        trial("a_failed_fetch_fails_the_launch_and_leaves_nothing", failures),
    ]
}

fn uri(value: &str) -> Uri {
    Uri {
        value: value.to_owned(),
        ..Uri::default()
    }
}

async fn files() {
    let fixture = Fixture::new();
    let source = fixture.directory.path().join("data.txt");
    fs::write(&source, "hello\n").unwrap();
    let path = source.to_str().unwrap();
    let mut config = fixture.config("c1", "cat data.txt sub/other");
    config.command.uris = vec![
        uri(path),
        Uri {
            output_file: Some("sub/other".to_owned()),
            ..uri(&format!("file://{path}"))
        },
    ];
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    assert_eq!(
        fixture.wait("c1").await.status,
        Some(0),
        "{}",
        fixture.stderr("c1")
    );
    assert_eq!(
        fixture
            .stdout("c1")
            .lines()
            .filter(|line| *line == "hello")
            .count(),
        2
    );
}

async fn archives() {
    let fixture = Fixture::new();
    let root = fixture.directory.path();
    fs::write(root.join("inside"), "from the archive\n").unwrap();
    fs::write(root.join("tool.gz"), "#!/bin/sh\necho not extracted\n").unwrap();
    #[expect(clippy::disallowed_methods, reason = "makes the archive")]
    let tar = std::process::Command::new("tar")
        .arg("-C")
        .arg(root)
        .args(["-czf"])
        .arg(root.join("a.tar.gz"))
        .arg("inside")
        .status();
    assert!(tar.unwrap().success());
    let mut config = fixture.config("c1", "cat inside && ./tool.gz");
    config.command.uris = vec![
        uri(root.join("a.tar.gz").to_str().unwrap()),
        Uri {
            executable: Some(true),
            ..uri(root.join("tool.gz").to_str().unwrap())
        },
    ];
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    assert_eq!(
        fixture.wait("c1").await.status,
        Some(0),
        "{}",
        fixture.stderr("c1")
    );
    let said = fixture.stdout("c1");
    assert!(said.contains("from the archive\nnot extracted\n"), "{said}");
    let mode = fs::metadata(fixture.sandbox("c1").join("tool.gz"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}

/// Answers `/moved` with a redirect to `/file`, that with its name, and all else with 404.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request).await.unwrap_or(0) > 0 {}
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = match path.as_str() {
                "/moved" => "HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n".to_owned(),
                "/file" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n/file".to_owned(),
                _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

async fn downloads() {
    let fixture = Fixture::new();
    let address = server().await;
    let mut config = fixture.config("c1", "cat moved file");
    config.command.uris = vec![
        uri(&format!("http://{address}/moved")),
        uri(&format!("http://{address}/file")),
    ];
    fixture.posix.launch(&id("c1"), config).await.unwrap();
    assert_eq!(
        fixture.wait("c1").await.status,
        Some(0),
        "{}",
        fixture.stderr("c1")
    );
    assert_eq!(fixture.stdout("c1"), "/file/file");
}

async fn failures() {
    let fixture = Fixture::new();
    let address = server().await;
    for (index, value) in ["/no/such/file", &format!("http://{address}/missing")]
        .into_iter()
        .enumerate()
    {
        let name = format!("c{index}");
        let mut config = fixture.config(&name, "echo started");
        config.command.uris = vec![uri(value)];
        let error = fixture.posix.launch(&id(&name), config).await.unwrap_err();
        let expected = format!("Failed to fetch all URIs for container '{name}': exited with status 1");
        assert_eq!(error.to_string(), expected);
        assert!(
            fixture
                .stderr(&name)
                .contains(&format!("Failed to fetch '{value}'")),
            "{}",
            fixture.stderr(&name)
        );
        assert_eq!(fixture.stdout(&name), "");
        fixture.assert_gone(&name);
    }
}
