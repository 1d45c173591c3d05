//! The lists: what each is called, and what its objects are.

/// What the objects of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objects {
    /// Names: of users or principals.
    Names,
    /// Roles; a value that ends with `/%` stands for all below.
    Roles,
    /// Paths of endpoints.
    Paths,
    /// There is only one; values are refused.
    Implicit,
    /// There is only one, but values are taken and match nothing.
    ImplicitLenient,
}

macro_rules! lists {
    ($($variant:ident $name:literal $field:literal $objects:ident,)*) => {
        /// A list in the file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum List {
            $($variant),*
        }

        impl List {
            /// All lists.
            pub(super) const ALL: &[Self] = &[$(Self::$variant),*];
            /// How many there are.
            pub(super) const COUNT: usize = Self::ALL.len();

            /// The key in the file.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }

            /// The key of the objects in each entry.
            pub(super) const fn field(self) -> &'static str {
                match self {
                    $(Self::$variant => $field),*
                }
            }

            /// What they are.
            pub(super) const fn objects(self) -> Objects {
                match self {
                    $(Self::$variant => Objects::$objects),*
                }
            }
        }
    };
}

lists! {
    RegisterFrameworks "register_frameworks" "roles" Roles,
    RunTasks "run_tasks" "users" Names,
    TeardownFrameworks "teardown_frameworks" "framework_principals" Names,
    ReserveResources "reserve_resources" "roles" Roles,
    UnreserveResources "unreserve_resources" "reserver_principals" Names,
    CreateVolumes "create_volumes" "roles" Roles,
    DestroyVolumes "destroy_volumes" "creator_principals" Names,
    ResizeVolumes "resize_volumes" "roles" Roles,
    GetEndpoints "get_endpoints" "paths" Paths,
    ViewRoles "view_roles" "roles" Roles,
    UpdateWeights "update_weights" "roles" Roles,
    GetQuotas "get_quotas" "roles" Roles,
    UpdateQuotas "update_quotas" "roles" Roles,
    ViewFrameworks "view_frameworks" "users" Names,
    ViewTasks "view_tasks" "users" Names,
    ViewExecutors "view_executors" "users" Names,
    AccessSandboxes "access_sandboxes" "users" Names,
    AccessMesosLogs "access_mesos_logs" "logs" Implicit,
    ViewFlags "view_flags" "flags" Implicit,
    LaunchNestedContainersAsUser "launch_nested_containers_as_user" "users" Names,
    LaunchNestedContainersUnderParentWithUser "launch_nested_containers_under_parent_with_user" "users" Names,
    LaunchNestedContainerSessionsAsUser "launch_nested_container_sessions_as_user" "users" Names,
    LaunchNestedContainerSessionsUnderParentWithUser "launch_nested_container_sessions_under_parent_with_user" "users" Names,
    KillNestedContainers "kill_nested_containers" "users" Names,
    WaitNestedContainers "wait_nested_containers" "users" Names,
    RemoveNestedContainers "remove_nested_containers" "users" Names,
    AttachContainersInput "attach_containers_input" "users" Names,
    AttachContainersOutput "attach_containers_output" "users" Names,
    ViewContainers "view_containers" "users" Names,
    SetLogLevel "set_log_level" "level" Implicit,
    RegisterAgents "register_agents" "agents" Implicit,
    UpdateMaintenanceSchedules "update_maintenance_schedules" "machines" Implicit,
    GetMaintenanceSchedules "get_maintenance_schedules" "machines" Implicit,
    StartMaintenances "start_maintenances" "machines" Implicit,
    StopMaintenances "stop_maintenances" "machines" Implicit,
    GetMaintenanceStatuses "get_maintenance_statuses" "machines" Implicit,
    MarkAgentsGone "mark_agents_gone" "agents" ImplicitLenient,
    DrainAgents "drain_agents" "agents" Implicit,
    DeactivateAgents "deactivate_agents" "agents" Implicit,
    ReactivateAgents "reactivate_agents" "agents" Implicit,
    LaunchStandaloneContainers "launch_standalone_containers" "users" Implicit,
    KillStandaloneContainers "kill_standalone_containers" "users" Implicit,
    WaitStandaloneContainers "wait_standalone_containers" "users" Implicit,
    RemoveStandaloneContainers "remove_standalone_containers" "users" Implicit,
    ViewStandaloneContainers "view_standalone_containers" "users" Implicit,
    ModifyResourceProviderConfigs "modify_resource_provider_configs" "resource_providers" Implicit,
    MarkResourceProvidersGone "mark_resource_providers_gone" "resource_providers" Implicit,
    ViewResourceProviders "view_resource_providers" "resource_providers" Implicit,
    PruneImages "prune_images" "images" Implicit,
    CreateBlockDisks "create_block_disks" "roles" Roles,
    DestroyBlockDisks "destroy_block_disks" "roles" Roles,
    CreateMountDisks "create_mount_disks" "roles" Roles,
    DestroyMountDisks "destroy_mount_disks" "roles" Roles,
    DestroyRawDisks "destroy_raw_disks" "roles" Roles,
}
