//! Candidates as nodes (facts: zookeeper.md, section 2): names, who leads, and what a node says of its master.

use proto::v1::MasterInfo;

use crate::pid_of;

/// What names of candidates begin with.
pub(super) const PREFIX: &str = "json.info_";

/// A child of the election's node that is a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    /// Who came earlier has less.
    pub(super) sequence: i32,
    /// Says how the data is to be read.
    label: Option<&'a str>,
}

impl<'a> Candidate<'a> {
    /// A candidate, unless the name says that it is something else.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let mut tokens = name.split('_').filter(|token| !token.is_empty());
        let first = tokens.next()?;
        let last = tokens.next_back();
        let sequence = last.unwrap_or(first).parse().ok()?;
        Some(Self {
            sequence,
            label: last.map(|_| first),
        })
    }

    /// The node's name.
    pub(super) fn name(&self) -> String {
        match self.label {
            Some(label) => format!("{label}_{:010}", self.sequence),
            None => format!("{:010}", self.sequence),
        }
    }

    /// The master, from what its node holds.
    pub(super) fn read(&self, data: &[u8]) -> Result<MasterInfo, Unreadable> {
        match self.label {
            Some("json.info") => Ok(proto::json::from_slice(data)?),
            Some("info") => Ok(proto::decode(data.to_vec().into())?),
            Some(label) => Err(Unreadable::Label(label.to_owned())),
            None => {
                let text = std::str::from_utf8(data).map_err(|_| Unreadable::Upid)?;
                from_upid(text.trim()).ok_or(Unreadable::Upid)
            }
        }
    }
}

/// Why a node does not tell of a master.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the label '{0}' is unknown")]
    Label(String),
    #[error("it is not a UPID")]
    Upid,
    #[error(transparent)]
    Json(#[from] proto::json::Error),
    #[error(transparent)]
    Protobuf(#[from] proto::Error),
}

/// Who leads: the candidate that came first, whatever its label.
pub(super) fn leader(names: &[String]) -> Option<Candidate<'_>> {
    let candidates = names.iter().filter_map(|name| Candidate::parse(name));
    candidates.min_by_key(|candidate| candidate.sequence)
}

/// What the node of a master holds.
///
/// Compat: keys stand in the order of their names, as in every node that a Mesos master has written.
pub(super) fn data(master: &MasterInfo) -> Vec<u8> {
    let json = proto::json::to_vec(master);
    match serde_json::from_slice::<serde_json::Value>(&json) {
        Ok(mut value) => {
            value.sort_all_objects();
            value.to_string().into_bytes()
        }
        // Our own JSON: it parses.
        Err(_) => json,
    }
}

/// What is known of a master by nothing but its process id.
fn from_upid(text: &str) -> Option<MasterInfo> {
    let address = text.strip_prefix("master@")?.parse().ok()?;
    let info = crate::MasterInfoBuilder::new("", address).build();
    (pid_of(&info) == text).then_some(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a Mesos master wrote it.
    const RECORDED: &str = r#"{"address":{"hostname":"localhost","ip":"127.0.0.1","port":5050},"capabilities":[{"type":"AGENT_UPDATE"},{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],"hostname":"localhost","id":"b68d1191-c15c-4f80-bd22-514af1889f9b","ip":16777343,"pid":"master@127.0.0.1:5050","port":5050,"version":"1.12.0"}"#;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_first_candidate_leads_whatever_its_label() {
        let children = names(&[
            "log_replicas",
            "json.info_0000000012",
            "info_0000000011",
            "0000000010",
            "x_y",
        ]);
        assert_eq!(leader(&children).unwrap().name(), "0000000010");
        assert_eq!(leader(&children[..3]).unwrap().name(), "info_0000000011");
        assert_eq!(leader(&children[..2]).unwrap().name(), "json.info_0000000012");
        assert_eq!(leader(&children[..1]), None);
        assert_eq!(leader(&[]), None);
    }

    #[test]
    fn names_that_are_no_candidates() {
        for name in [
            "",
            "_",
            "log_replicas",
            "json.info_",
            "json.info_x",
            "json.info_99999999999",
        ] {
            assert_eq!(Candidate::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_recorded_node_is_read_and_written_alike() {
        let candidate = Candidate::parse("json.info_0000000001").unwrap();
        let master = candidate.read(RECORDED.as_bytes()).unwrap();
        assert_eq!(master.pid.as_deref(), Some("master@127.0.0.1:5050"));
        assert_eq!(master.ip, 16_777_343);
        assert_eq!(String::from_utf8(data(&master)).unwrap(), RECORDED);
    }

    #[test]
    fn keys_nobody_knows_do_not_matter() {
        let more = RECORDED.replacen('{', r#"{"zone_of_the_moon":[1,{"a":null}],"#, 1);
        let candidate = Candidate::parse("json.info_0000000001").unwrap();
        assert!(candidate.read(more.as_bytes()).is_ok());
    }

    #[test]
    fn nodes_of_older_masters_are_read() {
        let master = Candidate::parse("json.info_1")
            .unwrap()
            .read(RECORDED.as_bytes())
            .unwrap();
        let bytes = proto::Message::encode_to_vec(&master);
        assert_eq!(
            Candidate::parse("info_0000000003").unwrap().read(&bytes).unwrap(),
            master
        );
        let oldest = Candidate::parse("0000000003")
            .unwrap()
            .read(b"master@10.0.0.1:5050\n")
            .unwrap();
        assert_eq!(pid_of(&oldest), "master@10.0.0.1:5050");
        assert_eq!(oldest.ip, 16_777_226);
    }

    #[test]
    fn what_is_no_master_is_refused() {
        for (name, data) in [
            ("json.info_1", &b"{"[..]),
            ("json.info_1", br#"{"id":"x"}"#),
            ("info_1", b"\xff\xff"),
            ("1", b"agent@10.0.0.1:5050"),
            ("1", b"\xff"),
            ("other_1", b"{}"),
        ] {
            assert!(
                Candidate::parse(name).unwrap().read(data).is_err(),
                "{name} {data:?}"
            );
        }
    }
}
