//! What agents and frameworks say they can do (internal-protocol §3). Unknown values are ignored.

use proto::v1::agent_info::capability::Type as AgentType;
use proto::v1::framework_info::capability::Type as FrameworkType;
use proto::v1::{agent_info, framework_info};

/// Capabilities of an agent as one word; bit n is the capability with number n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgentCapabilities(u32);

impl AgentCapabilities {
    /// From the messages of a registration.
    pub fn new(list: &[agent_info::Capability]) -> Self {
        Self(
            list.iter()
                .fold(0, |bits, capability| bits | bit(capability.r#type() as i32)),
        )
    }

    /// Whether the agent has it.
    pub fn has(self, capability: AgentType) -> bool {
        self.0 & bit(capability as i32) != 0
    }

    /// In ascending order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = AgentType> {
        (1..=31)
            .filter(move |number| self.0 & bit(*number) != 0)
            .filter_map(|number| AgentType::try_from(number).ok())
    }
}

/// Capabilities of a framework as one word; bit n is the capability with number n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameworkCapabilities(u32);

impl FrameworkCapabilities {
    /// From a FrameworkInfo.
    pub fn new(list: &[framework_info::Capability]) -> Self {
        Self(
            list.iter()
                .fold(0, |bits, capability| bits | bit(capability.r#type() as i32)),
        )
    }

    /// Whether the framework has it.
    pub fn has(self, capability: FrameworkType) -> bool {
        self.0 & bit(capability as i32) != 0
    }
}

fn bit(number: i32) -> u32 {
    match u32::try_from(number) {
        Ok(number @ 1..=31) => 1 << number,
        _ => 0,
    }
}
