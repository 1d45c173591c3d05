//! The algebra of resources: scalars in thousandths, ranges, sets, reservations, disks.
