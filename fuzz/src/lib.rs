//! Fuzz targets as plain functions: each takes any bytes, and must neither panic nor break the property it states.

pub mod targets;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of its folder under `seeds/`.
    pub name: &'static str,
    /// Whether any bytes are a script of decisions, so that random ones are as good as changed seeds.
    pub script: bool,
    /// Panics when the property does not hold.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "recordio",
        script: false,
        run: targets::recordio::run,
    },
    Target {
        name: "json_to_message",
        script: false,
        run: targets::json_to_message::run,
    },
    Target {
        name: "protobuf_to_message",
        script: false,
        run: targets::protobuf_to_message::run,
    },
    Target {
        name: "wire",
        script: false,
        run: targets::wire::run,
    },
    Target {
        name: "text",
        script: false,
        run: targets::text::run,
    },
    Target {
        name: "security",
        script: false,
        run: targets::security::run,
    },
    Target {
        name: "agent_core",
        script: true,
        run: targets::agent_core::run,
    },
    Target {
        name: "master_core",
        script: true,
        run: targets::master_core::run,
    },
    Target {
        name: "authentication",
        script: true,
        run: targets::authentication::run,
    },
    Target {
        name: "checkpoint",
        script: false,
        run: targets::checkpoint::run,
    },
    Target {
        name: "executor_calls",
        script: true,
        run: targets::executor_calls::run,
    },
    Target {
        name: "files",
        script: false,
        run: targets::files::run,
    },
    Target {
        name: "flags",
        script: false,
        run: targets::flags::run,
    },
    Target {
        name: "registry",
        script: true,
        run: targets::registry::run,
    },
    Target {
        name: "registry_file",
        script: false,
        run: targets::registry_file::run,
    },
    Target {
        name: "agent_orders",
        script: true,
        run: targets::agent_orders::run,
    },
    Target {
        name: "command_executor",
        script: true,
        run: targets::command_executor::run,
    },
    Target {
        name: "default_executor",
        script: true,
        run: targets::default_executor::run,
    },
    Target {
        name: "documents",
        script: false,
        run: targets::documents::run,
    },
    Target {
        name: "subscription",
        script: true,
        run: targets::subscription::run,
    },
];
