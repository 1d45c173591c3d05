//! Users: who a program runs as.

use std::ffi::CString;

use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, setgid, setgroups, setuid};

use crate::Error;

/// A user of this machine, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Name, as asked for.
    pub name: String,
    /// User id.
    pub uid: Uid,
    /// Primary group.
    pub gid: Gid,
    /// All groups, the primary one among them.
    pub groups: Vec<Gid>,
}

impl Account {
    /// Looks a user up by name, and checks that we may act as it: root may as anyone, others as themselves.
    ///
    /// # Errors
    /// No such user, or not ours to become.
    pub fn find(name: &str) -> Result<Self, Error> {
        let failed = |cause: String| Error::User {
            user: name.to_owned(),
            cause,
        };
        let user = User::from_name(name)
            .map_err(|errno| failed(errno.desc().to_owned()))?
            .ok_or_else(|| failed("no such user".to_owned()))?;
        if !geteuid().is_root() && geteuid() != user.uid {
            return Err(failed("only root may run programs as others".to_owned()));
        }
        let c_name = CString::new(name).map_err(|_| failed("name contains NUL".to_owned()))?;
        let groups = getgrouplist(&c_name, user.gid).map_err(|errno| failed(errno.desc().to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            uid: user.uid,
            gid: user.gid,
            groups,
        })
    }

    /// Becomes this user for good: group, supplementary groups, user. Nothing happens if we are it already and
    /// not root.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) fn assume(&self) -> nix::Result<()> {
        if !geteuid().is_root() {
            return Ok(());
        }
        setgroups(&self.groups)?;
        setgid(self.gid)?;
        setuid(self.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_and_nobody_else_is_invented() {
        if geteuid().is_root() {
            let root = Account::find("root").unwrap();
            assert!(root.uid.is_root());
            assert!(root.groups.contains(&root.gid));
        }
        let error = Account::find("no-such-user-here").unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to run as user 'no-such-user-here': no such user"
        );
        Account::find("a\0b").unwrap_err();
    }
}
