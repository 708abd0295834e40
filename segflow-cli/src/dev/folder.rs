//! `.segflow/` of a project: the development database, and where the server listens while it runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::target::{DevFile, write_private};

pub struct DevFolder {
    project: PathBuf,
}

impl DevFolder {
    pub fn make(project: &Path) -> Result<Self> {
        let folder = Self { project: project.to_owned() };
        let path = folder.path();
        let make = || {
            fs::create_dir_all(&path)?;
            // The folder keeps itself out of git, whatever the project's own .gitignore says.
            fs::write(path.join(".gitignore"), "*\n")
        };
        make().with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(folder)
    }

    fn path(&self) -> PathBuf {
        self.project.join(".segflow")
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("dev.db")
    }

    /// What the server compiled before, so that a start takes no time.
    pub fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    /// Deletes the development database and what SQLite keeps beside it.
    pub fn forget(&self) -> Result<()> {
        let database = self.database();
        for suffix in ["", "-wal", "-shm"] {
            let mut path = database.clone().into_os_string();
            path.push(suffix);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{} cannot be deleted", Path::new(&path).display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Lets the other commands find the server, until the answer is dropped.
    pub fn publish(&self, file: DevFile) -> Result<Published> {
        let path = DevFile::path(&self.project);
        write_private(&path, (serde_json::to_string_pretty(&file)? + "\n").as_bytes())?;
        Ok(Published { project: self.project.clone(), file })
    }
}

#[must_use]
pub struct Published {
    project: PathBuf,
    file: DevFile,
}

impl Drop for Published {
    fn drop(&mut self) {
        // Another server of the same project may have written its own meanwhile.
        if let Ok(Some(file)) = DevFile::read(&self.project)
            && file == self.file
        {
            let _ = fs::remove_file(DevFile::path(&self.project));
        }
    }
}
