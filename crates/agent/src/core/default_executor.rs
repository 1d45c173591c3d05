//! The program behind executors of type DEFAULT, which name none themselves (facts: containerizer, default executor).

use proto::v1;

/// The program's name.
const PROGRAM: &str = "mesos-default-executor";

/// The command that starts the default executor. It is not part of the executor's description.
pub fn command(launcher_dir: &str, user: Option<&str>) -> v1::CommandInfo {
    v1::CommandInfo {
        shell: Some(false),
        value: Some(format!("{launcher_dir}/{PROGRAM}")),
        arguments: vec![PROGRAM.to_owned(), format!("--launcher_dir={launcher_dir}")],
        user: user.map(str::to_owned),
        ..Default::default()
    }
}
