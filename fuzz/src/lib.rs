//! Fuzz targets as plain functions: each takes any bytes, and must neither panic nor break the property it states.

pub mod targets;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of its folder under `seeds/`.
    pub name: &'static str,
    /// Panics when the property does not hold.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "recordio",
        run: targets::recordio::run,
    },
    Target {
        name: "json_to_message",
        run: targets::json_to_message::run,
    },
    Target {
        name: "protobuf_to_message",
        run: targets::protobuf_to_message::run,
    },
    Target {
        name: "wire",
        run: targets::wire::run,
    },
    Target {
        name: "text",
        run: targets::text::run,
    },
    Target {
        name: "security",
        run: targets::security::run,
    },
    Target {
        name: "agent_core",
        run: targets::agent_core::run,
    },
    Target {
        name: "master_core",
        run: targets::master_core::run,
    },
    Target {
        name: "authentication",
        run: targets::authentication::run,
    },
    Target {
        name: "checkpoint",
        run: targets::checkpoint::run,
    },
    Target {
        name: "executor_calls",
        run: targets::executor_calls::run,
    },
    Target {
        name: "files",
        run: targets::files::run,
    },
    Target {
        name: "flags",
        run: targets::flags::run,
    },
    Target {
        name: "registry",
        run: targets::registry::run,
    },
    Target {
        name: "registry_file",
        run: targets::registry_file::run,
    },
];
