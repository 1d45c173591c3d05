//! What a master says of itself.

use proto::v1;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The four bytes of an address, in the order of the network, read as a little-endian number.
///
/// Compat: `MasterInfo.ip` is a required field and has always held this: 10.0.0.1 is 16777226.
pub fn ip_number(ip: Ipv4Addr) -> u32 {
    u32::from_le_bytes(ip.octets())
}

/// The reverse of [`ip_number`].
pub fn ip_of_number(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(number.to_le_bytes())
}

/// The UPID of a master, as text: `pid`, or what its address amounts to.
pub fn pid_of(info: &v1::MasterInfo) -> String {
    if let Some(pid) = &info.pid {
        return pid.clone();
    }
    match &info.address {
        Some(v1::Address {
            ip: Some(ip), port, ..
        }) => format!("master@{ip}:{port}"),
        _ => format!("master@{}:{}", ip_of_number(info.ip), info.port),
    }
}

/// Builds the info of a master.
#[derive(Clone, Debug)]
pub struct MasterInfoBuilder {
    info: v1::MasterInfo,
}

impl MasterInfoBuilder {
    /// A master with this id (a UUID, new at each start), reachable at `address` under the process id
    /// `master`. Its host name is the address until [`Self::hostname`] is called.
    pub fn new(id: impl Into<String>, address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip_number(ip),
            IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(0, ip_number),
        };
        let capability = |kind: v1::master_info::capability::Type| v1::master_info::Capability {
            r#type: Some(kind.into()),
        };
        let info = v1::MasterInfo {
            id: id.into(),
            ip,
            port: u32::from(address.port()),
            pid: Some(format!("master@{address}")),
            hostname: Some(address.ip().to_string()),
            version: None,
            address: Some(v1::Address {
                hostname: Some(address.ip().to_string()),
                ip: Some(address.ip().to_string()),
                port: i32::from(address.port()),
            }),
            domain: None,
            capabilities: vec![
                capability(v1::master_info::capability::Type::AgentUpdate),
                capability(v1::master_info::capability::Type::AgentDraining),
                capability(v1::master_info::capability::Type::QuotaV2),
            ],
        };
        Self { info }
    }

    /// The name that redirects and pages show.
    #[must_use]
    pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
        let hostname = hostname.into();
        if let Some(address) = &mut self.info.address {
            address.hostname = Some(hostname.clone());
        }
        self.info.hostname = Some(hostname);
        self
    }

    /// The version of Mesos that it speaks.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.info.version = Some(version.into());
        self
    }

    /// Its fault domain.
    #[must_use]
    pub fn domain(mut self, domain: Option<v1::DomainInfo>) -> Self {
        self.info.domain = domain;
        self
    }

    /// The info.
    pub fn build(self) -> v1::MasterInfo {
        self.info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_numbers() {
        assert_eq!(ip_number(Ipv4Addr::new(10, 0, 0, 1)), 16_777_226);
        assert_eq!(ip_number(Ipv4Addr::LOCALHOST), 16_777_343);
        assert_eq!(ip_of_number(16_777_226), Ipv4Addr::new(10, 0, 0, 1));
    }

    #[test]
    fn a_master_is_found_by_pid_then_address_then_number() {
        let address: SocketAddr = "10.0.0.1:5050".parse().unwrap();
        let mut info = MasterInfoBuilder::new("m", address)
            .hostname("m1")
            .version("1.12.0")
            .build();
        assert_eq!(info.hostname.as_deref(), Some("m1"));
        assert_eq!(info.address.as_ref().unwrap().hostname.as_deref(), Some("m1"));
        assert_eq!(pid_of(&info), "master@10.0.0.1:5050");
        info.pid = None;
        assert_eq!(pid_of(&info), "master@10.0.0.1:5050");
        info.address = None;
        assert_eq!(pid_of(&info), "master@10.0.0.1:5050");
    }
}
