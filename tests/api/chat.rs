//! Conversations through the API.

use clinic_mesh::api::client::Client;
use clinic_mesh::api::conversation::{ConversationView, FoundView, SendRequest, State};
use clinic_mesh::api::event::Hint;
use clinic_mesh::api::problem::Code;
use clinic_mesh::domain::statement::{History, Role};

use crate::desk::{Desk, code, now};
use crate::offices::name;

const CLINICIAN: &[Role] = &[Role::Clinician];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_sent_read_and_acknowledged_by_the_names_people_use() {
    let mut desk = Desk::open().await;
    let (ana_id, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (bo_id, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let (_, cy) = desk.signed_in("Cy", CLINICIAN).await;
    let mut members = vec![ana_id.id, bo_id.id];
    members.sort();
    let room =
        desk.clinic
            .authority()
            .create_room(name("Ward 2/night"), History::All, members, now());
    desk.submit(room.expect("created").segment).await;

    let sent = ana
        .send("ward 2/NIGHT", "Bed 4 is free")
        .await
        .expect("a member");
    assert_eq!(sent.name, "Ward 2/night");
    let direct = ana.send("Bo", "Coffee?").await.expect("two people");
    assert_eq!(direct.name, "Bo");

    let page = bo
        .messages(&sent.conversation, None, 10)
        .await
        .expect("a member");
    assert_eq!(page.messages.len(), 1);
    let message = &page.messages[0];
    assert_eq!(
        (message.by.as_str(), message.text.as_deref()),
        ("Ana", Some("Bed 4 is free"))
    );
    bo.acknowledge("Ward 2/night", &message.id)
        .await
        .expect("a message that is there");
    let page = ana
        .messages("Ward 2/night", None, 10)
        .await
        .expect("a member");
    assert_eq!(page.messages[0].delivery.state, State::Acknowledged);
    assert_eq!(page.messages[0].delivery.acknowledged_by, ["Bo"]);

    let names: Vec<String> = bo
        .conversations()
        .await
        .expect("signed in")
        .conversations
        .into_iter()
        .map(|line| line.name)
        .collect();
    assert!(names.contains(&"Ana".to_owned()) && names.contains(&"Ward 2/night".to_owned()));

    assert_eq!(
        code(cy.messages(&sent.conversation, None, 10).await),
        Code::Forbidden
    );
    assert_eq!(
        code(cy.send(&sent.conversation, "x").await),
        Code::Forbidden
    );
    assert_eq!(code(ana.send("nowhere", "x").await), Code::NotFound);
    assert_eq!(code(ana.send("Bo", "").await), Code::Refused);
    assert_eq!(
        code(ana.send("Bo", &"x".repeat(16 * 1024 + 1)).await),
        Code::Refused
    );
    assert_eq!(
        code(ana.acknowledge("Bo", "nonsense").await),
        Code::Malformed
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_messages_come_page_by_page() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    desk.person("Bo", CLINICIAN).await;
    for number in 0..5 {
        ana.send("Bo", &number.to_string()).await.expect("sent");
    }
    let (mut texts, mut before) = (Vec::new(), None);
    loop {
        let page = ana
            .messages("Bo", before.as_deref(), 2)
            .await
            .expect("a page");
        texts.extend(
            page.messages
                .iter()
                .rev()
                .filter_map(|message| message.text.clone()),
        );
        before = page.earlier;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(texts, ["4", "3", "2", "1", "0"]);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_say_where_to_look_to_those_it_concerns_and_nobody_else() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (_, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let (_, cy) = desk.signed_in("Cy", CLINICIAN).await;
    let (mut of_bo, mut of_cy) = (
        bo.events().await.expect("open"),
        cy.events().await.expect("open"),
    );
    let first = ana.send("Bo", "for your eyes only").await.expect("sent");
    let second = ana.send("Cy", "and this for yours").await.expect("sent");
    for (events, sent) in [(&mut of_bo, &first), (&mut of_cy, &second)] {
        let found = loop {
            let hint = events.next().await.expect("goes on").expect("readable");
            let text = serde_json::to_string(&hint).expect("a hint");
            assert!(!text.contains("eyes") && !text.contains("yours"), "{text}");
            if let Hint::Conversation { conversation, .. } = hint {
                break conversation;
            }
        };
        assert_eq!(found, sent.conversation);
    }
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_names_what_it_answers_and_a_second_try_sends_nothing() {
    let mut desk = Desk::open().await;
    let (ana_is, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (_, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let asked = ana.send("Bo", "Who takes bed 4?").await.expect("sent");
    let answer = SendRequest {
        text: "I do".to_owned(),
        reply_to: Some(asked.id.clone()),
        mentions: vec![ana_is.id.to_string()],
        key: Some("tab 1, message 1".to_owned()),
    };
    let first = bo.send_as("Ana", &answer).await.expect("sent");
    let again = bo.send_as("Ana", &answer).await.expect("the same");
    assert_eq!(first.id, again.id);

    let page = ana.messages("Bo", None, 10).await.expect("a page");
    assert_eq!(page.messages.len(), 2);
    let shown = &page.messages[1];
    assert_eq!((page.messages[0].mine, shown.mine), (true, false));
    assert_eq!(shown.mentions, [ana_is.id.to_string()]);
    let quote = shown.reply_to.as_ref().expect("an answer");
    assert_eq!(quote.id, asked.id);
    let said = (quote.by.as_deref(), quote.text.as_deref());
    assert_eq!(said, (Some("Ana"), Some("Who takes bed 4?")));

    let bad = [
        SendRequest {
            key: Some("x".repeat(65)),
            ..answer.clone()
        },
        SendRequest {
            mentions: vec!["Ana".to_owned()],
            ..answer.clone()
        },
        SendRequest {
            reply_to: Some("nonsense".to_owned()),
            ..answer
        },
    ];
    for request in bad {
        assert_eq!(code(bo.send_as("Ana", &request).await), Code::Malformed);
    }
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_tells_what_is_unread_and_what_was_begun() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (_, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let first = ana.send("Bo", "Bed 4 is free").await.expect("sent");
    let second = ana.send("Bo", "Bed 5 too").await.expect("sent");
    bo.draft("Ana", "Thank").await.expect("kept");
    let line = only_line(&bo).await;
    assert_eq!((line.unread, line.mentioned), (2, false));
    assert_eq!(line.first_unread, Some(first.id));
    assert_eq!(line.draft.as_deref(), Some("Thank"));
    assert_eq!(only_line(&ana).await.draft, None);

    bo.messages("Ana", None, 10).await.expect("a page");
    assert_eq!(only_line(&bo).await.unread, 2);
    bo.opened("Ana", &second.id).await.expect("opened");
    assert_eq!(only_line(&bo).await.unread, 0);
    let page = ana.messages("Bo", None, 10).await.expect("a page");
    for message in &page.messages {
        assert_eq!(message.delivery.state, State::Opened);
        assert_eq!(message.delivery.opened_by, ["Bo"]);
    }
    bo.send("Ana", "Thanks").await.expect("sent");
    assert_eq!(only_line(&bo).await.draft, None);
    desk.stop().await;
}

async fn only_line(client: &Client) -> ConversationView {
    let list = client.conversations().await.expect("signed in");
    list.conversations.into_iter().next().expect("one")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_amended_and_then_taken_back_for_good() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (_, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let sent = ana.send("Bo", "Bed 4 is free").await.expect("sent");
    bo.send("Ana", "good").await.expect("sent");
    ana.amend("Bo", &sent.id, "Bed 5 is free")
        .await
        .expect("hers");
    assert_eq!(
        code(bo.amend("Ana", &sent.id, "no").await),
        Code::Refused,
        "not his"
    );
    let page = bo.messages("Ana", None, 10).await.expect("a page");
    let shown = &page.messages[0];
    assert_eq!(shown.text.as_deref(), Some("Bed 5 is free"));
    assert!(shown.amended && !page.messages[1].amended);
    let history = bo.history("Ana", &sent.id).await.expect("a member");
    let said: Vec<&str> = history
        .versions
        .iter()
        .map(|one| one.text.as_str())
        .collect();
    assert_eq!(said, ["Bed 4 is free", "Bed 5 is free"]);

    assert_eq!(code(ana.retract("Bo", &sent.id, "").await), Code::Refused);
    ana.retract("Bo", &sent.id, "Wrong person")
        .await
        .expect("hers");
    let page = bo.messages("Ana", None, 10).await.expect("a page");
    let told = page.messages[0].retracted.as_ref().expect("taken back");
    let (by, reason) = (told.by.as_str(), told.reason.as_str());
    assert_eq!((by, reason), ("Ana", "Wrong person"));
    let history = bo.history("Ana", &sent.id).await.expect("a member");
    assert_eq!(history.versions, []);

    let desk = Desk::again(desk.stop().await).await;
    let bo = desk.operator().with_token(&desk.token("Bo").await);
    let page = bo.messages("Ana", None, 10).await.expect("a page");
    assert_eq!(page.messages[0].text, None);
    assert!(page.messages[0].retracted.is_some());
    assert_eq!(page.messages[1].text.as_deref(), Some("good"));
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_what_a_person_may_see_also_after_a_restart() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (_, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let (_, cy) = desk.signed_in("Cy", CLINICIAN).await;
    for number in 0..5 {
        let text = format!("Frau Núñez, Zimmer {number}");
        ana.send("Bo", &text).await.expect("sent");
    }
    let found = bo.search("nunez zim", None, 3).await.expect("found");
    let texts = |found: &FoundView| -> Vec<String> {
        let hits = found.hits.iter();
        hits.filter_map(|hit| hit.message.text.clone()).collect()
    };
    let expected = [4, 3, 2].map(|number| format!("Frau Núñez, Zimmer {number}"));
    assert_eq!(texts(&found), expected);
    assert!(found.complete && found.hits.iter().all(|hit| hit.name == "Ana"));
    let more = bo.search("nunez zim", found.more.as_deref(), 3).await;
    assert_eq!(more.expect("found").hits.len(), 2);
    assert_eq!(cy.search("nunez", None, 3).await.expect("none").hits, []);
    assert_eq!(code(bo.search(" ?! ", None, 3).await), Code::Malformed);

    let sent = &found.hits[0].message.id;
    ana.retract("Bo", sent, "Privacy").await.expect("hers");
    let desk = Desk::again(desk.stop().await).await;
    let bo = desk.operator().with_token(&desk.token("Bo").await);
    let found = bo.search("zimmer", None, 10).await.expect("found");
    assert_eq!(found.hits.len(), 4);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_somebody_read_last_is_known_also_after_a_restart() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (_, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let (_, cy) = desk.signed_in("Cy", CLINICIAN).await;
    ana.send("Bo", "Bed 4 is free").await.expect("sent");
    cy.send("Bo", "Coffee?").await.expect("sent");
    assert_eq!(read_last(&bo).await, [""; 0]);
    for one in ["Cy", "Ana"] {
        bo.messages(one, None, 10).await.expect("a page");
    }
    assert_eq!(read_last(&bo).await, ["Ana"]);

    let desk = Desk::again(desk.stop().await).await;
    let bo = desk.operator().with_token(&desk.token("Bo").await);
    assert_eq!(read_last(&bo).await, ["Ana"]);
    desk.stop().await;
}

async fn read_last(person: &Client) -> Vec<String> {
    let listed = person.conversations().await.expect("signed in");
    let last = listed.conversations.into_iter().filter(|one| one.read_last);
    last.map(|one| one.name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_and_who_is_here_is_told_to_others() {
    let mut desk = Desk::open().await;
    let (ana_is, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (_, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let mut events = bo.events().await.expect("open");
    assert_eq!(bo.presence().await.expect("signed in").here, [""; 0]);
    ana.typing("Bo").await.expect("told");
    let id = ana_is.id.to_string();
    let by = loop {
        let hint = events.next().await.expect("goes on").expect("readable");
        if let Hint::Typing { staff, by, .. } = hint {
            assert_eq!(staff, id);
            break by;
        }
    };
    assert_eq!(by, "Ana");
    assert_eq!(bo.presence().await.expect("signed in").here, [id]);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_people_talk_in_a_group_that_one_of_them_begins() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    let (bo_id, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let (_, cy) = desk.signed_in("Cy", CLINICIAN).await;
    let (_, dee) = desk.signed_in("Dee", CLINICIAN).await;

    let members = vec![bo_id.id.to_string(), "cy".to_owned()];
    let group = ana.group(members).await.expect("three people");
    assert_eq!(group.name, "Bo, Cy");
    assert_eq!(group.members, ["Ana", "Bo", "Cy"]);
    ana.send(&group.conversation, "Who has the key?")
        .await
        .expect("a member");
    // Whoever names the others means the same group.
    let sent = cy.send("Ana, Bo", "I have").await.expect("a member");
    assert_eq!(sent.conversation, group.conversation);
    let line = only_line(&bo).await;
    assert_eq!(
        (line.kind.as_str(), line.name.as_str()),
        ("group", "Ana, Cy")
    );
    assert_eq!(line.unread, 2);

    let outsider = dee.messages(&group.conversation, None, 10).await;
    assert_eq!(code(outsider), Code::Forbidden);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let with = |others: &[&str]| ana.group(names(others));
    assert_eq!(code(with(&["Bo", "Nobody"]).await), Code::NotFound);
    assert_eq!(code(with(&["Ana"]).await), Code::Refused);
    let pair = with(&["Bo"]).await.expect("two people");
    assert!(pair.conversation.starts_with("direct-"));
    desk.stop().await;
}
