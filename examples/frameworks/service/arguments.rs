//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::offers::Wish;

pub(crate) const USAGE: &str = "usage: service [--master HOST:PORT] [--count N] [--cpus N] [--mem MB] [--disk MB] \
     [--role ROLE] [--user USER] [--grace SECONDS] [--state FILE] -- COMMAND";

pub(crate) struct Arguments {
    pub(crate) master: String,
    pub(crate) count: usize,
    pub(crate) wish: Wish,
    pub(crate) role: String,
    pub(crate) user: String,
    pub(crate) grace: Duration,
    pub(crate) state: PathBuf,
}

impl Arguments {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            master: "127.0.0.1:5050".to_owned(),
            count: 1,
            wish: Wish {
                cpus: 0.1,
                mem: 32.0,
                disk: 0.0,
                command: String::new(),
            },
            role: "*".to_owned(),
            user: std::env::var("USER").unwrap_or_else(|_| "root".to_owned()),
            grace: Duration::from_secs(3),
            state: PathBuf::from("service.state"),
        };
        while let Some(arg) = args.next() {
            if arg == "--" {
                parsed.wish.command = args.collect::<Vec<_>>().join(" ");
                break;
            }
            let value = args.next().ok_or_else(|| format!("{arg} wants a value"))?;
            match arg.as_str() {
                "--master" => parsed.master = value,
                "--count" => parsed.count = read(&arg, &value)?,
                "--cpus" => parsed.wish.cpus = amount(&arg, &value)?,
                "--mem" => parsed.wish.mem = amount(&arg, &value)?,
                "--disk" => parsed.wish.disk = amount(&arg, &value)?,
                "--role" => parsed.role = value,
                "--user" => parsed.user = value,
                "--grace" => parsed.grace = Duration::from_secs(read(&arg, &value)?),
                "--state" => parsed.state = PathBuf::from(value),
                _ => return Err(format!("unexpected {arg}")),
            }
        }
        if parsed.wish.command.is_empty() {
            return Err("there is no command".to_owned());
        }
        Ok(parsed)
    }
}

fn read<T: std::str::FromStr>(flag: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{flag} does not take {text}"))
}

fn amount(flag: &str, text: &str) -> Result<f64, String> {
    let amount: f64 = read(flag, text)?;
    if amount.is_finite() && amount >= 0.0 {
        Ok(amount)
    } else {
        Err(format!("{flag} does not take {text}"))
    }
}
