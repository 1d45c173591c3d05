//! Containers: launch, wait, usage, destroy and recover the processes of executors.
