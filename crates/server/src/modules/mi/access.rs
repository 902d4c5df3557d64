//! Who may use a FIFO or a socket.

use crate::module::Parameters;

/// Permissions and owners of a file that management makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAccess {
    /// The permission bits.
    pub mode: u32,
    /// The owner, if not the one who runs the program.
    pub user: Option<Account>,
    /// The group, likewise.
    pub group: Option<Account>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// Its number.
    Id(u32),
    /// Its name.
    Name(String),
}

impl FileAccess {
    /// What the parameters `mode`, `user` and `group` say.
    pub(super) fn of(
        parameters: &Parameters<'_>,
        [mode, user, group]: [&str; 3],
    ) -> Result<Self, String> {
        Ok(Self {
            mode: parameters.within(mode, 0o660, 0, 0o777)?,
            user: account(parameters, user)?,
            group: account(parameters, group)?,
        })
    }
}

/// A name or a number.
fn account(parameters: &Parameters<'_>, name: &str) -> Result<Option<Account>, String> {
    if let Some(text) = parameters.str(name) {
        return Ok(Some(Account::Name(text.to_owned())));
    }
    let number = |id: i32| u32::try_from(id).map_err(|_| format!("{name} is below 0"));
    Ok(parameters.int(name).map(number).transpose()?.map(Account::Id))
}
