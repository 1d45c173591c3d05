//! `--agent_features`: which capabilities an agent tells its master.

use process::flags::{Error, Values};
use proto::v1::agent_info::capability::Type as Capability;
use serde::Deserialize;

use super::rejected;
use crate::core::CAPABILITIES;

const FLAG: &str = "agent_features";

#[derive(Deserialize)]
struct Features {
    #[serde(default)]
    capabilities: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    #[serde(rename = "type")]
    kind: String,
}

/// The capabilities that the flag leaves; all without the flag. Only RESIZE_VOLUME may be left out.
pub(super) fn capabilities(values: &Values) -> Result<Vec<Capability>, Error> {
    let Some(text) = values.text(FLAG) else {
        return Ok(CAPABILITIES.to_vec());
    };
    let features: Features =
        serde_json::from_str(text).map_err(|error| rejected(values, FLAG, &error.to_string()))?;
    let mut named = Vec::new();
    for feature in &features.capabilities {
        let known = Capability::from_str_name(&feature.kind).filter(|kind| CAPABILITIES.contains(kind));
        named.push(known.ok_or_else(|| {
            rejected(
                values,
                FLAG,
                &format!("'{}' is no capability of an agent", feature.kind),
            )
        })?);
    }
    let missing = |kind: &&Capability| **kind != Capability::ResizeVolume && !named.contains(kind);
    if let Some(kind) = CAPABILITIES.iter().find(missing) {
        let text = format!("'{}' must be among the capabilities", kind.as_str_name());
        return Err(rejected(values, FLAG, &text));
    }
    Ok(CAPABILITIES
        .into_iter()
        .filter(|kind| named.contains(kind))
        .collect())
}
