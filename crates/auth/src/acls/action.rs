//! What somebody may want to do.

use super::list::List;

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal $list:expr,)*) => {
        /// What somebody may want to do (facts: authorization.tsv, section `action`; the numbers are Mesos's).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Action {
            $($(#[$doc])* $variant = $number),*
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Mesos's name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }

            /// The list that decides; of two, the one about the object itself.
            pub(super) const fn list(self) -> Option<List> {
                match self {
                    $(Self::$variant => $list),*
                }
            }
        }
    };
}

use List as L;

actions! {
    /// Nothing; always denied.
    Unknown = 0 "UNKNOWN" None,
    /// To subscribe or register a framework; the object is each of its roles.
    RegisterFramework = 1 "REGISTER_FRAMEWORK" Some(L::RegisterFrameworks),
    /// To launch a task; the object is its user.
    RunTask = 2 "RUN_TASK" Some(L::RunTasks),
    /// To tear down a framework; the object is its principal.
    TeardownFramework = 3 "TEARDOWN_FRAMEWORK" Some(L::TeardownFrameworks),
    /// To reserve resources; the object is the last reservation's role.
    ReserveResources = 4 "RESERVE_RESOURCES" Some(L::ReserveResources),
    /// To unreserve resources; the object is the last reservation's principal.
    UnreserveResources = 5 "UNRESERVE_RESOURCES" Some(L::UnreserveResources),
    /// To create a persistent volume; the object is its reservation's role.
    CreateVolume = 6 "CREATE_VOLUME" Some(L::CreateVolumes),
    /// To destroy a persistent volume; the object is the principal that created it.
    DestroyVolume = 7 "DESTROY_VOLUME" Some(L::DestroyVolumes),
    /// To read an endpoint; the object is its path.
    GetEndpointWithPath = 8 "GET_ENDPOINT_WITH_PATH" Some(L::GetEndpoints),
    /// To see a role.
    ViewRole = 9 "VIEW_ROLE" Some(L::ViewRoles),
    /// To change a role's weight.
    UpdateWeight = 10 "UPDATE_WEIGHT" Some(L::UpdateWeights),
    /// To see a role's quota.
    GetQuota = 11 "GET_QUOTA" Some(L::GetQuotas),
    /// To change a role's quota by the older calls.
    UpdateQuota = 12 "UPDATE_QUOTA" Some(L::UpdateQuotas),
    /// To change a role's quota.
    UpdateQuotaWithConfig = 50 "UPDATE_QUOTA_WITH_CONFIG" Some(L::UpdateQuotas),
    /// To see a framework; the object is its user.
    ViewFramework = 13 "VIEW_FRAMEWORK" Some(L::ViewFrameworks),
    /// To see a task; the object is its user.
    ViewTask = 14 "VIEW_TASK" Some(L::ViewTasks),
    /// To see an executor; the object is its user.
    ViewExecutor = 15 "VIEW_EXECUTOR" Some(L::ViewExecutors),
    /// To read a sandbox; the object is its executor's user.
    AccessSandbox = 16 "ACCESS_SANDBOX" Some(L::AccessSandboxes),
    /// To read the log of a master or an agent.
    AccessMesosLog = 17 "ACCESS_MESOS_LOG" Some(L::AccessMesosLogs),
    /// To see flags.
    ViewFlags = 18 "VIEW_FLAGS" Some(L::ViewFlags),
    /// To launch a nested container; the objects are its own user and that of its parent.
    LaunchNestedContainer = 19 "LAUNCH_NESTED_CONTAINER" Some(L::LaunchNestedContainersAsUser),
    /// To kill a nested container; the object is its executor's user, as for the next four.
    KillNestedContainer = 20 "KILL_NESTED_CONTAINER" Some(L::KillNestedContainers),
    /// To wait for a nested container.
    WaitNestedContainer = 21 "WAIT_NESTED_CONTAINER" Some(L::WaitNestedContainers),
    /// To launch a nested container attached to its streams; objects as for launching one.
    LaunchNestedContainerSession = 22 "LAUNCH_NESTED_CONTAINER_SESSION" Some(L::LaunchNestedContainerSessionsAsUser),
    /// To write to a container's input.
    AttachContainerInput = 23 "ATTACH_CONTAINER_INPUT" Some(L::AttachContainersInput),
    /// To read a container's output.
    AttachContainerOutput = 24 "ATTACH_CONTAINER_OUTPUT" Some(L::AttachContainersOutput),
    /// To see a container; the object is its executor's user.
    ViewContainer = 25 "VIEW_CONTAINER" Some(L::ViewContainers),
    /// To change how much is logged.
    SetLogLevel = 26 "SET_LOG_LEVEL" Some(L::SetLogLevel),
    /// To remove a nested container's remains; the object is its executor's user.
    RemoveNestedContainer = 27 "REMOVE_NESTED_CONTAINER" Some(L::RemoveNestedContainers),
    /// To register an agent.
    RegisterAgent = 28 "REGISTER_AGENT" Some(L::RegisterAgents),
    /// To change the maintenance schedule.
    UpdateMaintenanceSchedule = 29 "UPDATE_MAINTENANCE_SCHEDULE" Some(L::UpdateMaintenanceSchedules),
    /// To see the maintenance schedule.
    GetMaintenanceSchedule = 30 "GET_MAINTENANCE_SCHEDULE" Some(L::GetMaintenanceSchedules),
    /// To take machines down.
    StartMaintenance = 31 "START_MAINTENANCE" Some(L::StartMaintenances),
    /// To bring machines up.
    StopMaintenance = 32 "STOP_MAINTENANCE" Some(L::StopMaintenances),
    /// To see which machines are in maintenance.
    GetMaintenanceStatus = 33 "GET_MAINTENANCE_STATUS" Some(L::GetMaintenanceStatuses),
    /// To declare an agent gone.
    MarkAgentGone = 34 "MARK_AGENT_GONE" Some(L::MarkAgentsGone),
    /// To launch a container that belongs to no framework.
    LaunchStandaloneContainer = 35 "LAUNCH_STANDALONE_CONTAINER" Some(L::LaunchStandaloneContainers),
    /// To kill one.
    KillStandaloneContainer = 36 "KILL_STANDALONE_CONTAINER" Some(L::KillStandaloneContainers),
    /// To wait for one.
    WaitStandaloneContainer = 37 "WAIT_STANDALONE_CONTAINER" Some(L::WaitStandaloneContainers),
    /// To remove the remains of one.
    RemoveStandaloneContainer = 38 "REMOVE_STANDALONE_CONTAINER" Some(L::RemoveStandaloneContainers),
    /// To add, change or remove a resource provider.
    ModifyResourceProviderConfig = 39 "MODIFY_RESOURCE_PROVIDER_CONFIG" Some(L::ModifyResourceProviderConfigs),
    /// To see a container that belongs to no framework.
    ViewStandaloneContainer = 40 "VIEW_STANDALONE_CONTAINER" Some(L::ViewStandaloneContainers),
    /// To remove unused images.
    PruneImages = 41 "PRUNE_IMAGES" Some(L::PruneImages),
    /// To grow or shrink a persistent volume; the object is its reservation's role.
    ResizeVolume = 42 "RESIZE_VOLUME" Some(L::ResizeVolumes),
    /// To create a block disk; the object is the reservation's role, as for the next four.
    CreateBlockDisk = 43 "CREATE_BLOCK_DISK" Some(L::CreateBlockDisks),
    /// To destroy a block disk.
    DestroyBlockDisk = 44 "DESTROY_BLOCK_DISK" Some(L::DestroyBlockDisks),
    /// To create a mounted disk.
    CreateMountDisk = 45 "CREATE_MOUNT_DISK" Some(L::CreateMountDisks),
    /// To destroy a mounted disk.
    DestroyMountDisk = 46 "DESTROY_MOUNT_DISK" Some(L::DestroyMountDisks),
    /// To see a resource provider.
    ViewResourceProvider = 47 "VIEW_RESOURCE_PROVIDER" Some(L::ViewResourceProviders),
    /// To declare a resource provider gone.
    MarkResourceProviderGone = 48 "MARK_RESOURCE_PROVIDER_GONE" Some(L::MarkResourceProvidersGone),
    /// To destroy a raw disk.
    DestroyRawDisk = 49 "DESTROY_RAW_DISK" Some(L::DestroyRawDisks),
    /// To drain an agent.
    DrainAgent = 51 "DRAIN_AGENT" Some(L::DrainAgents),
    /// To deactivate an agent.
    DeactivateAgent = 52 "DEACTIVATE_AGENT" Some(L::DeactivateAgents),
    /// To reactivate an agent.
    ReactivateAgent = 53 "REACTIVATE_AGENT" Some(L::ReactivateAgents),
}

impl Action {
    /// The list that decides about the parent, for the actions that have one.
    pub(super) const fn parent_list(self) -> Option<List> {
        match self {
            Self::LaunchNestedContainer => Some(L::LaunchNestedContainersUnderParentWithUser),
            Self::LaunchNestedContainerSession => Some(L::LaunchNestedContainerSessionsUnderParentWithUser),
            _ => None,
        }
    }

    /// Whether executors may do this to the containers below their own, by what their token claims.
    pub(super) const fn is_executors(self) -> bool {
        matches!(
            self,
            Self::LaunchNestedContainer
                | Self::WaitNestedContainer
                | Self::KillNestedContainer
                | Self::LaunchNestedContainerSession
                | Self::RemoveNestedContainer
                | Self::AttachContainerOutput
        )
    }

    /// Whether resource providers may do this to the containers in their name space, by what their token claims.
    pub(super) const fn is_resource_providers(self) -> bool {
        matches!(
            self,
            Self::LaunchStandaloneContainer
                | Self::WaitStandaloneContainer
                | Self::KillStandaloneContainer
                | Self::RemoveStandaloneContainer
                | Self::ViewStandaloneContainer
        )
    }
}
