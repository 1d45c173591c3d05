//! What the client commands share: where the master is, tables, errors, exit codes.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use owo_colors::OwoColorize as _;
use proto::{ContentType, v1};
use scheduler::operator::Client;
use scheduler::{Address, Credential, Error, Options, StaticMasters, Tls, TlsSettings, Wait};

/// The command could not do what was asked.
pub(crate) const FAILED: u8 = 1;
/// The arguments are wrong.
pub(crate) const USAGE: u8 = 2;

/// Where the master is when nobody says.
const DEFAULT_MASTER: &str = "127.0.0.1:5050";

/// How commands find the master.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Master {
    /// Address of the master, or several with commas between: host:port or a URL
    /// [default: $MESOS_MASTER, else 127.0.0.1:5050]
    #[arg(long, short, env = "TIANGONG_MASTER", value_name = "ADDRESS")]
    master: Option<String>,
    /// Name to authenticate as; needs --secret-file
    #[arg(
        long,
        env = "TIANGONG_PRINCIPAL",
        value_name = "NAME",
        requires = "secret_file"
    )]
    principal: Option<String>,
    /// File with the secret of --principal; a line feed at its end does not count
    #[arg(
        long,
        env = "TIANGONG_SECRET_FILE",
        value_name = "FILE",
        requires = "principal",
        value_parser = read_secret
    )]
    secret_file: Option<Secret>,
    /// Authorities whose certificates are trusted for https://, in PEM
    /// [default: as LIBPROCESS_SSL_* say, else the system's]
    #[arg(long, env = "TIANGONG_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Certificate to show where https:// wants one, in PEM; needs --key-file
    #[arg(long, env = "TIANGONG_CERT_FILE", value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// Private key of --cert-file, in PEM
    #[arg(long, env = "TIANGONG_KEY_FILE", value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
}

/// A secret that was read from a file; not to be shown.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The content of a secret's file.
fn read_secret(path: &str) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read '{path}': {error}"))?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(format!("'{path}' is empty"));
    }
    Ok(Secret(secret.to_owned()))
}

impl Master {
    /// The address as text.
    pub(crate) fn text(&self) -> String {
        let given = self.master.clone().or_else(|| std::env::var("MESOS_MASTER").ok());
        given
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| DEFAULT_MASTER.to_owned())
    }

    /// The list of masters.
    pub(crate) fn detector(&self) -> Result<Arc<StaticMasters>, Error> {
        masters(&self.text(), environment_tls()?.is_some())
    }

    /// Whether masters are spoken to by TLS, and so the agents that they name.
    pub(crate) fn is_secure(&self) -> bool {
        let secure = environment_tls().is_ok_and(|settings| settings.is_some());
        addresses(&self.text(), secure).is_ok_and(|list| list.iter().any(Address::is_https))
    }

    /// Who asks, if that is to be proven.
    pub(crate) fn credential(&self) -> Option<Credential> {
        let (principal, secret) = self.principal.as_ref().zip(self.secret_file.as_ref())?;
        Some(Credential {
            principal: principal.clone(),
            secret: secret.0.clone(),
        })
    }

    /// What every client is told.
    pub(crate) fn options(&self) -> Result<Options, Error> {
        let mut options = Options::default();
        options.credential = self.credential();
        options.tls = self.tls()?;
        Ok(options)
    }

    /// How https:// is spoken; none: as the system trusts.
    fn tls(&self) -> Result<Option<Arc<Tls>>, Error> {
        let mut settings = environment_tls()?;
        if let Some(path) = &self.ca_file {
            let settings = settings.get_or_insert_default();
            settings.ca_file = Some(path.clone());
            settings.ca_dir = None;
            settings.verify = true;
        }
        if let Some((certificate, key)) = self.cert_file.as_ref().zip(self.key_file.as_ref()) {
            settings.get_or_insert_default().identity = Some((certificate.clone(), key.clone()));
        }
        settings.as_ref().map(Tls::load).transpose()
    }

    /// A client for one question: it gives up after a few attempts.
    pub(crate) fn client(&self, content_type: ContentType) -> Result<Client, Error> {
        let mut options = self.options()?;
        options.content_type = content_type;
        options.policy.max_attempts = Some(3);
        Ok(Client::new(self.detector()?, options))
    }
}

/// What `LIBPROCESS_SSL_*` say to clients.
pub(crate) fn environment_tls() -> Result<Option<TlsSettings>, Error> {
    // Variables that are no text are none of these.
    let vars = std::env::vars_os();
    TlsSettings::from_vars(
        vars.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    )
}

/// A list of masters; with `secure`, those without a scheme are spoken to by TLS.
pub(crate) fn masters(list: &str, secure: bool) -> Result<Arc<StaticMasters>, Error> {
    addresses(list, secure).map(StaticMasters::new).map(Arc::new)
}

fn addresses(list: &str, secure: bool) -> Result<Vec<Address>, Error> {
    let list = scheduler::parse_list(list)?.into_iter().zip(entries(list));
    let secured = list.map(|(address, text)| match text.contains("://") {
        false if secure => address.with_https(),
        _ => address,
    });
    Ok(secured.collect())
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|entry| !entry.trim().is_empty())
}

/// Why a command ended early.
pub(crate) enum Stop {
    /// Nobody reads the output any more: nothing to complain about.
    ClosedPipe,
    /// Something to tell, and the exit code.
    Failure(String, u8),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Failure(format!("failed to write: {error}"), FAILED),
        }
    }
}

/// Runs a command to its exit code on a runtime of its own.
pub(crate) fn run<F>(command: F, failed: u8) -> ExitCode
where
    F: Future<Output = Result<u8, Stop>>,
{
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("failed to start: {error}"));
            return ExitCode::from(failed);
        }
    };
    let code = match runtime.block_on(command) {
        Ok(code) => code,
        Err(Stop::ClosedPipe) => 0,
        Err(Stop::Failure(text, code)) => {
            complain(&text);
            code
        }
    };
    // Calls under way are not worth waiting for.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// One line about something wrong.
pub(crate) fn complain(text: &str) {
    let mut out = anstream::stderr().lock();
    // Without standard error there is nobody left to tell.
    let _nobody = writeln!(out, "{} {text}", "error:".red().bold());
}

/// One line about what goes on.
pub(crate) fn remark(text: &str) {
    let mut out = anstream::stderr().lock();
    let _nobody = writeln!(out, "{}", text.dimmed());
}

/// An error of the client, with what to do about it.
pub(crate) fn explain(error: &Error, master: &Master) -> String {
    let advice = match root(error) {
        Error::Connect { .. }
        | Error::TimedOut {
            what: Wait::Connection,
            ..
        } => "is a master running there? `tiangong local` starts a cluster; --master names another address",
        Error::NotReady { status: 404, .. } | Error::ContentType { .. } => {
            "something else than a master seems to answer there; --master names another address"
        }
        Error::NotReady { .. } => "try again in a moment",
        Error::Refused { status: 401, .. } => {
            "the master wants to know who asks: --principal and --secret-file tell it"
        }
        Error::Refused { status: 403, .. } => "the master does not allow it",
        Error::Address { .. } => {
            "--master takes host:port or https://host:port, or several with commas between"
        }
        Error::Tls(_) => "--ca-file names the authorities to trust, --cert-file and --key-file what to show",
        _ => "",
    };
    match advice {
        "" => format!("{error} (master: {})", master.text()),
        advice => format!("{error} (master: {})\n  {advice}", master.text()),
    }
}

fn root(error: &Error) -> &Error {
    match error {
        Error::GaveUp { last, .. } => root(last),
        other => other,
    }
}

/// The failure of a command that only asks.
pub(crate) fn failure(error: &Error, master: &Master) -> Stop {
    let code = if matches!(error, Error::Address { .. }) {
        USAGE
    } else {
        FAILED
    };
    Stop::Failure(explain(error, master), code)
}

/// Writes one JSON document and a newline.
pub(crate) fn print_json<M: proto::Json>(message: &M) -> Result<(), Stop> {
    let mut bytes = proto::json::to_vec(message);
    bytes.push(b'\n');
    Ok(io::stdout().write_all(&bytes)?)
}

/// Writes rows under a heading, in columns as wide as their widest cell. Headings are bold on a terminal.
pub(crate) fn print_table(heading: &[&str], rows: &[Vec<String>]) -> Result<(), Stop> {
    let mut out = anstream::stdout().lock();
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells.chain([heading[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let heading: Vec<String> = heading.iter().map(|&name| name.to_owned()).collect();
    writeln!(out, "{}", line(&heading, &widths).bold())?;
    for row in rows {
        writeln!(out, "{}", line(row, &widths))?;
    }
    out.flush()?;
    Ok(())
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// A count with its noun: `1 task`, `2 tasks`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The sum of a scalar resource, as people write it: no zeros at the end.
pub(crate) fn amount(resources: &[v1::Resource], name: &str) -> String {
    let named = resources.iter().filter(|resource| resource.name == name);
    // Adding doubles may leave a crumb; resources are exact to the third decimal. The sum of nothing is -0.
    let sum = 0.0
        + named
            .filter_map(|resource| resource.scalar.as_ref())
            .map(|scalar| scalar.value)
            .sum::<f64>();
    let text = format!("{sum:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A task's state without its prefix, in small letters.
pub(crate) fn state(state: v1::TaskState) -> String {
    let name = state.as_str_name();
    name.strip_prefix("TASK_").unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(name: &str, value: f64) -> v1::Resource {
        v1::Resource {
            name: name.to_owned(),
            r#type: v1::value::Type::Scalar.into(),
            scalar: Some(v1::value::Scalar { value }),
            ..v1::Resource::default()
        }
    }

    #[test]
    fn amounts_are_summed_and_short() {
        let resources = [scalar("cpus", 0.1), scalar("mem", 128.0), scalar("cpus", 0.2)];
        assert_eq!(amount(&resources, "cpus"), "0.3");
        assert_eq!(amount(&resources, "mem"), "128");
        assert_eq!(amount(&resources, "disk"), "0");
        assert_eq!(amount(&[scalar("mem", 100.0)], "mem"), "100");
    }

    #[test]
    fn masters_without_a_scheme_are_reached_as_the_environment_says() {
        let list = |secure| {
            let list = addresses("a:1, http://b:2,https://c:3", secure).expect("addresses");
            list.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(list(false), ["a:1", "b:2", "https://c:3"]);
        assert_eq!(list(true), ["https://a:1", "b:2", "https://c:3"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(line(&cells(&["a", "bc", "d"]), &[3, 2, 5]), "a    bc  d");
    }
}
