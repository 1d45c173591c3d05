//! Masters elected through real ZooKeeper servers.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../../zookeeper/tests/support/mod.rs"]
#[expect(dead_code, reason = "other suites use the rest")]
mod support;

use std::time::Duration;

use election::{Contender, Detector, Error, Group, MasterInfoBuilder};
use process::Clock;
use proto::v1::MasterInfo;
use support::Servers;
use zookeeper::client::{Client, CreateMode};
use zookeeper::{Ensemble, Url};

const PATIENCE: Duration = Duration::from_secs(120);
const SESSION: Duration = Duration::from_secs(2);

fn master(number: u16) -> MasterInfo {
    let address = format!("127.0.0.1:{number}").parse().unwrap();
    MasterInfoBuilder::new(format!("m{number}"), address)
        .version("1.12.0")
        .build()
}

fn group(servers: &str, path: &str) -> Group {
    with_session(SESSION, "", servers, path)
}

/// One whose session outlasts what befalls the servers.
fn patient(servers: &str) -> Group {
    with_session(Duration::from_secs(60), "", servers, "/mesos")
}

fn with_credentials(servers: &str, path: &str, credentials: &str) -> Group {
    with_session(SESSION, credentials, servers, path)
}

fn with_session(timeout: Duration, credentials: &str, servers: &str, path: &str) -> Group {
    let url = Url::parse(&format!("zk://{credentials}{servers}{path}")).unwrap();
    let clock = Clock::real();
    clock.drive(&tokio::runtime::Handle::current());
    Group::watch(Ensemble::new(url, timeout, clock))
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it happens in time")
}

/// Waits until this group sees this leader.
async fn sees(group: &Group, expected: Option<&MasterInfo>) {
    let mut previous = None;
    let mut first = true;
    soon(async {
        loop {
            // Before the first answer, `None` is not known to be right: ask for anything else first.
            let asked = if first {
                Some(MasterInfo::default())
            } else {
                previous.clone()
            };
            first = false;
            previous = group.detect(asked).await.unwrap();
            if previous.as_ref() == expected {
                return;
            }
        }
    })
    .await;
}

async fn raw(servers: &str) -> Client {
    soon(Client::connect(servers)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_leads_and_the_next_follows_it() {
    if !support::installed() {
        return;
    }
    let servers = Servers::start(1);
    let (a, b, agent) = (
        group(&servers.addresses(), "/a/mesos"),
        group(&servers.addresses(), "/a/mesos"),
        group(&servers.addresses(), "/a/mesos"),
    );
    sees(&agent, None).await;
    let first = soon(a.contend(master(1))).await.unwrap();
    sees(&agent, Some(&master(1))).await;
    let mut second = soon(b.contend(master(2))).await.unwrap();
    sees(&b, Some(&master(1))).await;
    // What stands there is what a Mesos master would have put there.
    let client = raw(&servers.addresses()).await;
    let mut names = client.list_children("/a/mesos").await.unwrap();
    names.sort();
    assert_eq!(names, ["json.info_0000000000", "json.info_0000000001"]);
    let (data, stat) = client.get_data("/a/mesos/json.info_0000000000").await.unwrap();
    assert_ne!(stat.ephemeral_owner, 0);
    let expected = r#"{"address":{"hostname":"127.0.0.1","ip":"127.0.0.1","port":1},"capabilities":[{"type":"AGENT_UPDATE"},{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],"hostname":"127.0.0.1","id":"m1","ip":16777343,"pid":"master@127.0.0.1:1","port":1,"version":"1.12.0"}"#;
    assert_eq!(String::from_utf8(data).unwrap(), expected);
    // Given up, the next one leads; its own candidacy goes on.
    drop(first);
    sees(&agent, Some(&master(2))).await;
    assert!(tokio::time::timeout(Duration::ZERO, second.lost()).await.is_err());
    // A node that somebody removes is a candidacy lost.
    client
        .delete("/a/mesos/json.info_0000000001", None)
        .await
        .unwrap();
    soon(second.lost()).await;
    sees(&agent, None).await;
    // One that lost may run again.
    let _third = soon(b.contend(master(2))).await.unwrap();
    sees(&agent, Some(&master(2))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_gone_is_followed_at_its_sessions_end() {
    if !support::installed() {
        return;
    }
    let servers = Servers::start(1);
    let agent = group(&servers.addresses(), "/mesos");
    let successor = group(&servers.addresses(), "/mesos");
    let leader = group(&servers.addresses(), "/mesos");
    let candidacy = soon(leader.contend(master(1))).await.unwrap();
    sees(&agent, Some(&master(1))).await;
    let _successor = soon(successor.contend(master(2))).await.unwrap();
    // A process that ends closes its session: the successor leads without a time-out.
    drop((leader, candidacy));
    sees(&agent, Some(&master(2))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_leads_while_no_server_can_be_asked_and_all_comes_back() {
    if !support::installed() {
        return;
    }
    let servers = Servers::start(1);
    let agent = group(&servers.addresses(), "/mesos");
    let leader = group(&servers.addresses(), "/mesos");
    let mut candidacy = soon(leader.contend(master(1))).await.unwrap();
    sees(&agent, Some(&master(1))).await;
    // A server that is silent: nothing is closed, and yet the leader stops in time.
    servers.hold(0, true);
    soon(candidacy.lost()).await;
    sees(&leader, None).await;
    sees(&agent, None).await;
    servers.hold(0, false);
    let mut candidacy = soon(leader.contend(master(1))).await.unwrap();
    sees(&agent, Some(&master(1))).await;
    // It runs on.
    assert!(
        tokio::time::timeout(Duration::ZERO, candidacy.lost())
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_shorter_than_the_session_changes_nothing() {
    if !support::installed() {
        return;
    }
    let mut servers = Servers::start(1);
    let (leader, agent) = (patient(&servers.addresses()), patient(&servers.addresses()));
    let mut candidacy = soon(leader.contend(master(1))).await.unwrap();
    sees(&agent, Some(&master(1))).await;
    servers.kill(0);
    servers.restart(0);
    sees_through_new_session(&servers.addresses(), &master(1)).await;
    assert!(
        tokio::time::timeout(Duration::ZERO, candidacy.lost())
            .await
            .is_err()
    );
    // Whoever watched before hears of what happens after.
    drop(candidacy);
    sees(&agent, None).await;
}

async fn sees_through_new_session(servers: &str, leader: &MasterInfo) {
    sees(&group(servers, "/mesos"), Some(leader)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_stay_while_one_server_of_three_is_lost() {
    if !support::installed() {
        return;
    }
    let mut servers = Servers::start(3);
    let (leader, agent) = (patient(&servers.addresses()), patient(&servers.addresses()));
    let mut candidacy = soon(leader.contend(master(1))).await.unwrap();
    sees(&agent, Some(&master(1))).await;
    for index in 0..3 {
        servers.kill(index);
        sees_through_new_session(&servers.addresses(), &master(1)).await;
        assert!(
            tokio::time::timeout(Duration::ZERO, candidacy.lost())
                .await
                .is_err(),
            "lost with server {index}"
        );
        servers.restart(index);
    }
    assert_eq!(soon(agent.detect(None)).await.unwrap(), Some(master(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_belong_to_whoever_has_the_credentials() {
    if !support::installed() {
        return;
    }
    let servers = Servers::start(1);
    let addresses = servers.addresses();
    let leader = with_credentials(&addresses, "/mesos", "user:secret@");
    let _candidacy = soon(leader.contend(master(1))).await.unwrap();
    let client = raw(&addresses).await;
    let (acl, _) = client.get_acl("/mesos/json.info_0000000000").await.unwrap();
    let shown: Vec<_> = acl
        .iter()
        .map(|acl| format!("{}:{}", acl.scheme(), acl.permission()))
        .collect();
    assert_eq!(shown, ["world:READ", "digest:ALL"]);
    // Others see who leads and cannot take part.
    let other = group(&addresses, "/mesos");
    sees(&other, Some(&master(1))).await;
    let refused = soon(other.contend(master(2))).await.unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)), "{refused:?}");
    let same = with_credentials(&addresses, "/mesos", "user:secret@");
    let _second = soon(same.contend(master(2))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_be_read_leads_nobody_until_it_is_gone() {
    if !support::installed() {
        return;
    }
    let servers = Servers::start(1);
    let client = raw(&servers.addresses()).await;
    let everyone = CreateMode::Persistent.with_acls(zookeeper::client::Acls::anyone_all());
    client.create("/mesos", b"", &everyone).await.unwrap();
    client
        .create("/mesos/json.info_0000000000", b"{", &everyone)
        .await
        .unwrap();
    client
        .create("/mesos/log_replicas", b"", &everyone)
        .await
        .unwrap();
    let group = group(&servers.addresses(), "/mesos");
    let _candidacy = soon(group.contend(master(1))).await.unwrap();
    sees(&group, None).await;
    client.delete("/mesos/json.info_0000000000", None).await.unwrap();
    sees(&group, Some(&master(1))).await;
}
