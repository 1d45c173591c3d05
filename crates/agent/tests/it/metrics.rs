//! The agent's metrics by Mesos's names (facts: metrics.tsv).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::server::{Cluster, get};
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_means_something_here_is_shown() {
    let (_cluster, server) = Cluster::start().await;
    let answer = get(&server, "/metrics/snapshot").await;
    let shown: Value = serde_json::from_str(&answer.body).unwrap();
    let shown: BTreeSet<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = read_golden("metrics.txt");
    let missing: Vec<&str> = std::str::from_utf8(&wanted)
        .unwrap()
        .lines()
        .filter(|name| !shown.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
