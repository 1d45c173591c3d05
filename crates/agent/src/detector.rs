//! Where the master is: one address, given by the operator.

use std::net::SocketAddr;
use std::time::Duration;

use ::process::{Clock, Upid};
use proto::v1;
use proto::v1::master_info::{Capability, capability};

use crate::Error;
use crate::flags::master_address;

/// Between two attempts to resolve a name that does not resolve.
const RETRY: Duration = Duration::from_secs(1);

/// Finds the master at a fixed address. The name is looked up each time, so a master that moved is found.
#[derive(Clone, Debug)]
pub(crate) struct Detector {
    master: String,
}

impl Detector {
    /// A detector for `host:port`.
    pub(crate) fn new(master: impl Into<String>) -> Self {
        Self {
            master: master.into(),
        }
    }

    /// Resolves the address.
    ///
    /// # Errors
    /// When the name does not resolve to an IPv4 address.
    pub(crate) async fn resolve(&self) -> Result<v1::MasterInfo, Error> {
        let (host, port) = master_address(&self.master);
        let failed = |source| Error::Master(self.master.clone(), source);
        let mut found = tokio::net::lookup_host((host, port)).await.map_err(failed)?;
        let address = found.find_map(|address| match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        });
        let none = || {
            failed(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "no IPv4 address",
            ))
        };
        let address = address.ok_or_else(none)?;
        let capabilities = [
            capability::Type::AgentUpdate,
            capability::Type::AgentDraining,
            capability::Type::QuotaV2,
        ];
        Ok(v1::MasterInfo {
            id: uuid::Uuid::new_v4().to_string(),
            ip: u32::from_le_bytes(address.ip().octets()),
            port: u32::from(address.port()),
            pid: Some(Upid::new("master", address).to_string()),
            hostname: Some(if address.ip().is_loopback() {
                "localhost".to_owned()
            } else {
                host.to_owned()
            }),
            address: Some(v1::Address {
                hostname: Some(host.to_owned()),
                ip: Some(address.ip().to_string()),
                port: i32::from(address.port()),
            }),
            // What cannot be asked of a fixed address is taken to be a current master.
            capabilities: capabilities
                .into_iter()
                .map(|kind| Capability {
                    r#type: Some(kind as i32),
                })
                .collect(),
            ..Default::default()
        })
    }

    /// Resolves the address, trying for as long as it takes.
    pub(crate) async fn detect(&self, clock: &Clock) -> v1::MasterInfo {
        loop {
            match self.resolve().await {
                Ok(master) => return master,
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "no master yet"),
            }
            clock.sleep(RETRY).await;
        }
    }
}
