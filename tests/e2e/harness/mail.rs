//! The mails of the service, read from the folder where development keeps them.

use std::sync::LazyLock;

use super::{PATIENCE, Suite, eventually};

/// Where the mails of this run are.
pub fn folder() -> &'static str {
    static FOLDER: LazyLock<tempfile::TempDir> =
        LazyLock::new(|| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    FOLDER.path().to_str().unwrap()
}

impl Suite {
    /// What was mailed to this address, the oldest first.
    pub fn mails_to(&self, address: &str) -> Vec<String> {
        let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
        let mut mails: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "eml")).collect();
        mails.sort();
        let to = format!("To: {address}\r\n");
        mails.iter().map(|path| std::fs::read_to_string(path).unwrap()).filter(|mail| mail.contains(&to)).collect()
    }

    /// The latest mail to this address, once there are `count`.
    pub async fn mail_to(&self, address: &str, count: usize) -> String {
        let is_there = async || self.mails_to(address).len() >= count;
        eventually(&format!("{count} mails arrive"), PATIENCE, is_there).await;
        let mails = self.mails_to(address);
        assert_eq!(mails.len(), count);
        mails.last().unwrap().clone()
    }
}
