//! Closes finished projects in a store that lives as long as the program: `cargo run -p embed`.

use std::error::Error;
use std::sync::Arc;

use embed::close_finished;
use tenantry_tenancy::{Clock, Expected, SystemClock};
use tenantry_work::WorkTx;
use tenantry_work::projects::{NewProject, ProjectDescription, ProjectId, ProjectName, ProjectStatus};
use tenantry_work::tasks;
use tenantry_work::testing::{MANAGER, MemoryWork, new_task};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut tx = MemoryWork::new(clock.clone());
    for name in ["Website relaunch", "Moon landing"] {
        let (id, name) = (ProjectId::generate(), ProjectName::parse(name)?);
        let new = NewProject { id, name, description: ProjectDescription::default(), status: ProjectStatus::Active };
        let project = tx.projects().insert(&new).await?;
        let task = tasks::create(&mut tx, &*clock, &new_task(project.id)).await?;
        if project.name.as_str() == "Website relaunch" {
            tasks::complete(&mut tx, &*clock, MANAGER, task.id, &Expected::ANY).await?;
        }
    }

    for project in close_finished(&mut tx).await? {
        println!("{} is {}", project.name, project.status);
    }
    Ok(())
}
