//! Users in a table of the author's who change while they log in: nobody but us can see to it that nothing is left behind.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::http::StatusCode;
use countersign::{
    ExtraClaims, IssuedFor, Memory, OwnerStatus, PasswordHash, ResourceOwner, ResourceOwners, StoreError, Subject,
    Timestamp, Username, async_trait,
    core::store::{Grants, OwnerRegistry},
};

use crate::support::{NOW, PASSWORD, TestApp};

/// The author's table, which is changed while claims are asked for: after the last look at the owner.
#[derive(Clone, Debug, Default)]
struct Table {
    users: Memory,
    changes: Arc<AtomicBool>,
    password: bool,
}

#[async_trait]
impl ResourceOwners for Table {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        self.users.find_by_username(username).await
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        self.users.find_by_subject(subject).await
    }
}

#[async_trait]
impl ExtraClaims for Table {
    async fn claims(
        &self,
        issued_for: IssuedFor<'_>,
    ) -> Result<serde_json::Map<String, serde_json::Value>, StoreError> {
        if self.changes.swap(false, Ordering::SeqCst) {
            if self.password {
                self.users.set_password(issued_for.subject, &PasswordHash::new("another"), NOW).await?;
            } else {
                self.users.set_status(issued_for.subject, OwnerStatus::Disabled, NOW).await?;
            }
        }
        Ok(serde_json::Map::new())
    }
}

#[tokio::test]
async fn a18_a_login_of_an_author_s_user_who_changed_meanwhile_leaves_nothing_behind() {
    for password in [false, true] {
        let store = Memory::new();
        let built_in = TestApp::with(store.clone(), |builder| builder).await;
        built_in.token("me").await;
        let table = Table { users: store, changes: Arc::default(), password };
        let grants = Memory::new();
        let with = |builder: countersign::Builder| builder.users(table.clone()).claims(table.clone());
        let app = TestApp::with(grants.clone(), with).await;
        let login = format!("username=alice&password={}", PASSWORD.replace(' ', "+"));
        app.post_token(&login).await.expect(StatusCode::OK);
        let far = Timestamp::from_seconds(i64::MAX);
        assert_eq!(grants.sweep(far, std::time::Duration::ZERO, 10).await.unwrap(), 1, "as long as nothing changes");
        table.changes.store(true, Ordering::SeqCst);
        app.post_token(&login).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        let alice = table.find_by_username(&Username::parse("alice").unwrap()).await.unwrap().unwrap();
        assert!(grants.list_grants(&alice.subject, None, 10).await.unwrap().is_empty());
    }
}
