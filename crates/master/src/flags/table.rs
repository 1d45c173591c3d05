//! Every flag of the master (facts: flags.tsv, rows `master`), and a few of our own.

use process::flags::{COMMON, Flag, HTTP, Kind, Table};

/// What a master's command line and environment are read against.
pub const TABLE: Table = Table {
    program: "mesos-master",
    prefix: "MESOS_",
    flags: &[COMMON, MASTER, HTTP, OWN],
};

const MODULES: &str = "modules cannot be loaded";
const PROGRAMS: &str = "no program is run to find an address; --ip names it";

/// The flags Mesos has.
const MASTER: &[Flag] = &[
    Flag::optional("acls", Kind::Json, "ACLs for the local authorizer; ignored with other authorizers; unset = no authorization"),
    Flag::optional("advertise_ip", Kind::Text, "Address told to others; not bound"),
    Flag::optional("advertise_port", Kind::Text, "Port told to others; not bound"),
    Flag::new("agent_ping_timeout", Kind::Duration, "15secs", "Ping reply limit; 1secs..15mins").alias(&["slave_ping_timeout"]),
    Flag::optional("agent_removal_rate_limit", Kind::Text, "Throttle for marking agents unreachable after failed pings, e.g. 1/10mins").alias(&["slave_removal_rate_limit"]),
    Flag::new("agent_reregister_timeout", Kind::Duration, "10mins", "After failover, how long known agents get to re-register before being marked unreachable; minimum 10mins").alias(&["slave_reregister_timeout"]),
    Flag::new("allocation_interval", Kind::Duration, "1secs", "Period of batch allocation"),
    Flag::new("allocator", Kind::Text, "hierarchical", "Allocator implementation").refused("only 'hierarchical' is built in"),
    Flag::new("allocator_agent_recovery_factor", Kind::Double, "0.8", "Share of previously known agents that must re-register after failover before offers resume"),
    Flag::new("allocator_recovery_timeout", Kind::Duration, "10mins", "Latest time after election at which offers resume regardless of the recovery factor"),
    Flag::new("authenticate_agents", Kind::Bool, "false", "Agents must authenticate").alias(&["authenticate_slaves"]),
    Flag::new("authenticate_frameworks", Kind::Bool, "false", "Driver (libprocess) frameworks must authenticate").alias(&["authenticate"]),
    Flag::new("authenticate_http_frameworks", Kind::Bool, "false", "Require authentication on /api/v1/scheduler; needs http_framework_authenticators"),
    Flag::new("authenticate_http_readonly", Kind::Bool, "false", "Require authentication in the read-only HTTP realm"),
    Flag::new("authenticate_http_readwrite", Kind::Bool, "false", "Require authentication in the read-write HTTP realm").alias(&["authenticate_http"]),
    Flag::new("authentication_v0_timeout", Kind::Duration, "15secs", "Limit for one libprocess (CRAM-MD5) authentication"),
    Flag::new("authenticators", Kind::Text, "crammd5", "Libprocess authenticator implementation").refused("only 'crammd5' is built in"),
    Flag::new("authorizers", Kind::Text, "local", "Authorizer implementation; only one").refused("only 'local' is built in"),
    Flag::optional("cluster", Kind::Text, "Display name of the cluster"),
    Flag::optional("credentials", Kind::Path, "JSON credentials file (see authorization.tsv) for framework, agent and HTTP authentication"),
    Flag::optional("domain", Kind::Json, "Fault domain {\"fault_domain\":{\"region\":{\"name\"},\"zone\":{\"name\"}}}; both names required"),
    Flag::optional("fair_sharing_excluded_resource_names", Kind::Text, "Resource names left out of the fair share computation"),
    Flag::new("filter_gpu_resources", Kind::Bool, "true", "Offer GPU agents only to GPU_RESOURCES frameworks"),
    Flag::optional("firewall_rules", Kind::Json, "Endpoints to disable: {\"disabled_endpoints\":{\"paths\":[...]}}; they answer 403"),
    Flag::new("framework_sorter", Kind::Text, "drf", "Sharing order between frameworks of a role: drf or random"),
    Flag::optional("hooks", Kind::Text, "Hook modules to install").refused(MODULES),
    Flag::optional("hostname", Kind::Text, "Name to advertise instead of the resolved one; wins over hostname_lookup"),
    Flag::new("hostname_lookup", Kind::Bool, "true", "Resolve the advertised hostname from the IP; with false the IP text itself is used"),
    Flag::new("http_authenticators", Kind::Text, "basic", "HTTP authenticators; several are tried in order"),
    Flag::optional("http_framework_authenticators", Kind::Text, "HTTP authenticator for /api/v1/scheduler (e.g. basic)"),
    Flag::optional("ip", Kind::Text, "Address to bind; excludes ip_discovery_command; exported as LIBPROCESS_IP"),
    Flag::optional("ip_discovery_command", Kind::Text, "Program printing the address to bind; excludes ip").refused(PROGRAMS),
    Flag::new("log_auto_initialize", Kind::Bool, "true", "Initialise an empty replicated log automatically").refused("there is no tool that initialises a registry by hand"),
    Flag::optional("master_contender", Kind::Text, "Module name for leader contention; with master_detector, without zk").refused(MODULES),
    Flag::optional("master_detector", Kind::Text, "Module name for leader detection").refused(MODULES),
    Flag::new("max_agent_ping_timeouts", Kind::Size, "5", "Missed pings before an agent becomes unreachable; >= 1").alias(&["max_slave_ping_timeouts"]),
    Flag::new("max_completed_frameworks", Kind::Size, "50", "Completed frameworks remembered"),
    Flag::new("max_completed_tasks_per_framework", Kind::Size, "1000", "Completed tasks remembered per framework"),
    Flag::optional("max_executors_per_agent", Kind::Size, "Cap on executors per agent (only in builds with the port-mapping isolator)").alias(&["max_executors_per_slave"]).refused("there is no port-mapping isolator, which the cap is for"),
    Flag::new("max_operator_event_stream_subscribers", Kind::Size, "1000", "Operator SUBSCRIBE streams kept; the oldest is closed beyond it"),
    Flag::new("max_unreachable_tasks_per_framework", Kind::Size, "1000", "Unreachable tasks remembered per framework"),
    Flag::new("memory_profiling", Kind::Bool, "false", "Expose /memory-profiler (needs jemalloc)").refused("the memory allocator keeps no profile"),
    Flag::new("min_allocatable_resources", Kind::Text, "cpus:0.01|mem:32", "Smallest bundles worth offering; at least one alternative must be met"),
    Flag::optional("modules", Kind::Json, "Modules to load; excludes modules_dir").refused(MODULES),
    Flag::optional("modules_dir", Kind::Text, "Directory of module manifests, read in name order; excludes modules").refused(MODULES),
    Flag::new("offer_constraints_re2_max_mem", Kind::Bytes, "4096B", "Memory bound per offer-constraint regex"),
    Flag::new("offer_constraints_re2_max_program_size", Kind::Int, "100", "Program-size bound per offer-constraint regex"),
    Flag::optional("offer_timeout", Kind::Duration, "Rescind unanswered offers after this time; unset = never"),
    Flag::new("port", Kind::Int, "5050", "Port to bind; exported as LIBPROCESS_PORT"),
    Flag::new("publish_per_framework_metrics", Kind::Bool, "true", "Publish the per-framework metric set"),
    Flag::optional("quorum", Kind::Int, "Number of log replicas that must agree; needed with zk and replicated_log; must exceed half of the masters").accepted("the registry lies in one file, or with ZooKeeper, whose servers agree among themselves"),
    Flag::optional("rate_limits", Kind::Json, "Message rate limits per principal for driver frameworks"),
    Flag::new("recovery_agent_removal_limit", Kind::Text, "100%", "If more than this share of agents would be marked unreachable after failover the master exits instead; 0%..100%").alias(&["recovery_slave_removal_limit"]),
    Flag::new("registry", Kind::Text, "replicated_log", "Registry storage: replicated_log or in_memory"),
    Flag::new("registry_fetch_timeout", Kind::Duration, "1mins", "Limit for loading the registry at election; exceeding it ends the process"),
    Flag::new("registry_gc_interval", Kind::Duration, "15mins", "Period of trimming unreachable/gone agents from the registry"),
    Flag::new("registry_max_agent_age", Kind::Duration, "2weeks", "Age after which unreachable/gone agents may be dropped"),
    Flag::new("registry_max_agent_count", Kind::Size, "102400", "Number of unreachable/gone agents kept at most (each list)"),
    Flag::new("registry_store_timeout", Kind::Duration, "20secs", "Limit for one registry write; exceeding it ends the process"),
    Flag::new("registry_strict", Kind::Bool, "false", "Disabled; true is rejected at startup").refused("Mesos has no such mode any more either"),
    Flag::new("require_agent_domain", Kind::Bool, "false", "Refuse agents without a fault domain"),
    Flag::new("role_sorter", Kind::Text, "drf", "Sharing order between roles: drf or random").alias(&["user_sorter"]),
    Flag::optional("roles", Kind::Text, "Role whitelist (deprecated); unset = any valid role; the default role * is always included"),
    Flag::new("root_submissions", Kind::Bool, "true", "Whether frameworks with user root may subscribe"),
    Flag::new("version", Kind::Bool, "false", "Print the version and exit"),
    Flag::new("webui_dir", Kind::Text, "/usr/share/mesos/webui", "Where static web UI files are"),
    Flag::optional("weights", Kind::Text, "Initial role weights (deprecated); only used when the registry holds none"),
    Flag::optional("whitelist", Kind::Path, "File with one agent hostname per line that may receive offers; re-read every 5 seconds; unset or * = all"),
    Flag::optional("work_dir", Kind::Text, "Directory for durable data; for the master it holds the replicated log and is mandatory unless registry=in_memory"),
    Flag::optional("zk", Kind::Text, "ZooKeeper election URL zk://[user:pass@]h1:p1,h2:p2/path; unset = standalone leader"),
    Flag::new("zk_session_timeout", Kind::Duration, "10secs", "ZooKeeper session timeout"),
];

/// Flags Mesos has not. None has a default here, so that `/flags` looks the same unless one is given.
const OWN: &[Flag] = &[
    Flag::optional(
        "operator_event_stream_buffer",
        Kind::Bytes,
        "Memory for events that some subscriber has not read yet; one that falls further behind is cut off (32MB when unset)",
    ),
    Flag::optional(
        "operator_event_stream_events",
        Kind::Size,
        "The same limit as a number of events (65536 when unset)",
    ),
    Flag::optional(
        "scheduler_event_stream_buffer",
        Kind::Bytes,
        "Memory for events that one scheduler has not read yet; beyond it the scheduler is disconnected (64MB when unset)",
    ),
];
