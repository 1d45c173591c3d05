//! The environment that the agent gives to executors (facts: executor-http, section 10).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use process::flags;
use proto::v1;

use super::config::Config;
use super::ids::Run;

/// How Mesos writes a duration in variables and messages: `15mins`.
pub fn duration_text(duration: Duration) -> String {
    flags::Value::Duration(duration).to_string()
}

/// How long an executor may take to shut down.
pub fn shutdown_grace(config: &Config, executor: &v1::ExecutorInfo) -> Duration {
    executor
        .shutdown_grace_period
        .as_ref()
        .and_then(|grace| u64::try_from(grace.nanoseconds).ok())
        .map_or(config.executor_shutdown_grace_period, Duration::from_nanos)
}

/// The agent's part of an executor's environment. What the executor's own description sets wins over it.
pub fn of_executor(
    config: &Config,
    run: &Run,
    executor: &v1::ExecutorInfo,
    directory: &Path,
    checkpoint: bool,
) -> BTreeMap<String, String> {
    let mut environment = config.executor_environment.clone();
    let mut set = |name: &str, value: String| {
        environment.insert(name.to_owned(), value);
    };
    if let Some(ip) = &config.libprocess_ip {
        set("LIBPROCESS_IP", ip.clone());
    }
    set("LIBPROCESS_PORT", "0".to_owned());
    set("MESOS_FRAMEWORK_ID", run.framework.to_string());
    set("MESOS_EXECUTOR_ID", run.executor.to_string());
    set("MESOS_DIRECTORY", directory.display().to_string());
    set("MESOS_SLAVE_ID", run.agent.to_string());
    set("MESOS_SLAVE_PID", config.pid.to_string());
    set("MESOS_AGENT_ENDPOINT", config.pid.address().to_string());
    set("MESOS_CHECKPOINT", u8::from(checkpoint).to_string());
    // Compat: a command executor of Mesos speaks libprocess unless this says 1. Ours speaks HTTP anyway.
    set(
        "MESOS_HTTP_COMMAND_EXECUTOR",
        u8::from(config.http_command_executor).to_string(),
    );
    if let Some(key) = &config.token_key {
        let token = auth::jwt::executor(
            key,
            run.framework.as_str(),
            run.executor.as_str(),
            run.container.as_str(),
        );
        set("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", token);
    }
    let grace = shutdown_grace(config, executor);
    set("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", duration_text(grace));
    if checkpoint {
        set("MESOS_RECOVERY_TIMEOUT", duration_text(config.recovery_timeout));
        set(
            "MESOS_SUBSCRIPTION_BACKOFF_MAX",
            duration_text(config.executor_reregistration_timeout),
        );
    }
    environment
}
