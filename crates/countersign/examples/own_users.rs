//! Users from a table that the application has already, as a type that the application has already.

use std::sync::Arc;

use axum::{Json, extract::FromRef};
use countersign::{
    CurrentUser, FromResourceOwner, Memory, OAuth2, OwnerStatus, PasswordHash, ResourceOwner, ResourceOwners, Router,
    StoreError, Subject, Username, routing::get,
};
use schemars::JsonSchema;
use serde::Serialize;

/// A row of the application's table, and what its handlers get.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Employee {
    id: u32,
    login: String,
    department: String,
    #[serde(skip)]
    active: bool,
    #[serde(skip)]
    password_hash: String,
}

/// The application's table.
#[derive(Clone, Debug)]
struct Staff(Arc<Vec<Employee>>);

impl Employee {
    fn as_owner(&self) -> Result<ResourceOwner, StoreError> {
        Ok(ResourceOwner {
            subject: Subject::new(self.id.to_string()),
            username: Username::parse(&self.login).map_err(StoreError::corrupt)?,
            full_name: None,
            email: None,
            scope: "me".parse().map_err(StoreError::corrupt)?,
            status: if self.active { OwnerStatus::Active } else { OwnerStatus::Disabled },
            password_hash: Some(PasswordHash::new(&self.password_hash)),
        })
    }
}

#[countersign::async_trait]
impl ResourceOwners for Staff {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        self.0.iter().find(|row| row.login == username.as_str()).map(Employee::as_owner).transpose()
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        self.0.iter().find(|row| row.id.to_string() == subject.as_str()).map(Employee::as_owner).transpose()
    }
}

/// The application's state.
#[derive(Clone)]
pub(crate) struct App {
    oauth2: OAuth2,
    staff: Staff,
}

impl FromRef<App> for OAuth2 {
    fn from_ref(app: &App) -> Self {
        app.oauth2.clone()
    }
}

impl FromResourceOwner<App> for Employee {
    async fn from_resource_owner(owner: ResourceOwner, app: &App) -> Result<Option<Self>, StoreError> {
        Ok(app.staff.0.iter().find(|row| row.id.to_string() == owner.subject.as_str()).cloned())
    }
}

async fn read_me(employee: CurrentUser<(), Employee>) -> Json<Employee> {
    Json(employee.into_inner())
}

pub(crate) async fn app() -> countersign::Result<Router<App>> {
    // bcrypt of `secret`, as the table has it.
    let hash = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";
    let row = |id, login: &str, department: &str, active| Employee {
        id,
        login: login.into(),
        department: department.into(),
        active,
        password_hash: hash.into(),
    };
    let staff = Staff(Arc::new(vec![row(1, "ada", "Engines", true), row(2, "bert", "Doors", false)]));
    let oauth2 = OAuth2::new(Memory::new()).users(staff.clone()).build().await?;
    let app = App { oauth2: oauth2.clone(), staff };
    Ok(oauth2.router_with_state(app).route("/me", get(read_me)))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
