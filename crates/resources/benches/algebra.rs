//! What the allocator's inner loop costs.

use divan::{Bencher, black_box};
use resources::Resources;

fn main() {
    divan::main();
}

fn agent() -> Resources {
    Resources::parse("cpus:16;mem:65536;disk:1000000;ports:[31000-32000]").expect("valid text")
}

#[divan::bench]
fn subtract_and_add(bencher: Bencher<'_, '_>) {
    let total = agent();
    let part = Resources::parse("cpus:1;mem:128;ports:[31005-31005]").expect("valid text");
    bencher.bench(|| black_box(&total) - black_box(&part) + black_box(&part));
}

#[divan::bench]
fn contains(bencher: Bencher<'_, '_>) {
    let total = agent();
    let part = Resources::parse("cpus:1;mem:128;ports:[31005-31005]").expect("valid text");
    bencher.bench(|| black_box(&total).contains(black_box(&part)));
}

#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Resources::parse(black_box("cpus:16;mem:65536;disk:1000000;ports:[31000-32000]")));
}

#[divan::bench]
fn from_messages(bencher: Bencher<'_, '_>) {
    let messages = agent().to_proto();
    bencher.bench(|| Resources::from_proto(black_box(&messages)));
}

/// Eight thousand separate ports: what a busy agent ends up with.
#[divan::bench]
fn fragmented_ports(bencher: Bencher<'_, '_>) {
    let text: Vec<String> = (0..8_000)
        .map(|port| format!("{0}-{0}", 1_000 + port * 2))
        .collect();
    let ports = Resources::parse(&format!("ports:[{}]", text.join(","))).expect("valid text");
    let part = Resources::parse("ports:[9000-9000]").expect("valid text");
    bencher.bench(|| black_box(&ports) - black_box(&part) + black_box(&part));
}
