//! How HTTP customers behave: who sends how much, and how callbacks take what they are told. Shares are in a thousand.

use trunkline::config::{AccountId, CarrierId};
use trunkline::engine::web::{IdempotencyKey, Message, Request, Submission, Tell};
use trunkline::smpp::segment::Mark;

use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::text::{Part, submit_body};

/// A customer who sends by himself.
#[derive(Clone, Debug)]
pub(crate) struct WebHabit {
    pub(crate) account: usize,
    pub(crate) ask_ms: (u64, u64),
    pub(crate) most_messages: u64,
    pub(crate) most_segments: u64,
    /// Shares in a thousand.
    pub(crate) wants_receipt: u64,
    /// Requests with a key, and how often one of them is asked again instead.
    pub(crate) keyed: u64,
    pub(crate) asks_again: u64,
}

/// A request with a key, which is its number.
#[derive(Debug)]
pub(crate) struct Keyed {
    account: usize,
    messages: Vec<Message>,
}

/// How callbacks take what they are told; shares in a thousand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callbacks {
    /// `None`: by what a story says.
    pub(crate) within_ms: Option<(u64, u64)>,
    pub(crate) refuse: u64,
    pub(crate) fail: u64,
    /// It takes the events, and its answer is lost.
    pub(crate) lose: u64,
    /// The shell says nothing of the call, ever. Half of these have reached the customer.
    pub(crate) forget: u64,
    /// All of them fail until then.
    pub(crate) down_until: u64,
}

impl WebHabit {
    pub(crate) fn calm(account: usize) -> Self {
        let (ask_ms, most_messages, most_segments, wants_receipt) = ((50, 200), 2, 2, 1_000);
        Self { account, ask_ms, most_messages, most_segments, wants_receipt, keyed: 0, asks_again: 0 }
    }

    pub(crate) fn draw(account: usize, rng: &mut Rng) -> Self {
        Self {
            account,
            ask_ms: rng.pick(&[(5, 100), (50, 1_000), (500, 5_000)]),
            most_messages: rng.pick(&[1, 1, 4, 40]),
            most_segments: rng.pick(&[1, 2, 5]),
            wants_receipt: rng.pick(&[1_000, 700]),
            keyed: rng.pick(&[0, 500, 1_000]),
            asks_again: rng.pick(&[100, 400]),
        }
    }
}

impl Sim {
    /// A customer sends some messages.
    pub(crate) fn web_asks(&mut self, at: usize) {
        let Some(habit) = self.web.habits.get(at).cloned() else { return };
        self.plan_ms(habit.ask_ms, Event::WebAsks(at));
        if self.rng.chance(habit.keyed) {
            return self.web_asks_keyed(&habit);
        }
        let submission = Submission { messages: self.any_messages(&habit), key: None };
        let request = match self.some_carrier() {
            Some(carrier) => Request::SubmitBy(carrier, submission),
            None => Request::Submit(submission),
        };
        self.ask_web(AccountId(habit.account as u32), request);
    }

    /// Now and then a message is to go through one carrier alone, not drawn, so that all else of a seed is as it was.
    fn some_carrier(&self) -> Option<CarrierId> {
        let at = (self.web.asked as usize).checked_sub(5).filter(|asked| asked.is_multiple_of(16))? / 16;
        let name = &self.base.carriers[at % self.base.carriers.len()].name;
        let known = self.config.carriers.iter().position(|known| known.name == *name && !known.is_gone);
        known.map(|at| CarrierId(at as u16))
    }

    fn any_messages(&mut self, habit: &WebHabit) -> Vec<Message> {
        (0..1 + self.rng.below(habit.most_messages)).map(|_| self.any_message(habit)).collect()
    }

    /// With a new key, or one of the last.
    fn web_asks_keyed(&mut self, habit: &WebHabit) {
        const LAST: u64 = 20;
        let known = self.web.keyed.len();
        let again = known.checked_sub(1 + self.rng.below(LAST) as usize);
        let again = again.filter(|at| self.web.keyed[*at].account == habit.account);
        let at = match again.filter(|_| self.rng.chance(habit.asks_again)) {
            Some(at) => at,
            None => {
                let messages = self.any_messages(habit);
                self.web.keyed.push(Keyed { account: habit.account, messages });
                known
            }
        };
        let messages = self.web.keyed[at].messages.iter().map(copy).collect();
        let key = IdempotencyKey { key: at.to_string().into_bytes().into(), digest: [at as u8; 32] };
        self.ask_web(AccountId(habit.account as u32), Request::Submit(Submission { messages, key: Some(key) }));
    }

    fn any_message(&mut self, habit: &WebHabit) -> Message {
        let segments = 1 + self.rng.below(habit.most_segments) as u8;
        let wants_receipt = self.rng.chance(habit.wants_receipt);
        let destination = format!("49170{:07}", self.rng.below(1_000));
        self.web_message(&destination, segments, wants_receipt, Tell::Account)
    }

    /// A message of so many segments.
    pub(crate) fn web_message(&mut self, destination: &str, segments: u8, wants_receipt: bool, tell: Tell) -> Message {
        let mut reference = None;
        let segment = |number| {
            let tag = self.ledger.next_tag();
            let reference = *reference.get_or_insert(40_000 + (tag % 20_000) as u16);
            let part = Part { mark: Mark::Udh16, reference, total: segments, number };
            submit_body(tag, destination, wants_receipt, 0, 10, (segments > 1).then_some(part)).into()
        };
        let segments = (1..=segments).map(segment).collect();
        Message { segments, reference: None, tell }
    }

    /// They begin to send.
    pub(crate) fn plan_web(&mut self) {
        for at in 0..self.web.habits.len() {
            let after = self.web.habits[at].ask_ms;
            self.plan_ms(after, Event::WebAsks(at));
        }
    }

    /// Customers send by HTTP too, and some have callbacks.
    pub(crate) fn draw_web(&mut self, rng: &mut Rng) {
        self.web.habits = (0..self.base.accounts.len()).map(|account| WebHabit::draw(account, rng)).collect();
        let (refuse, fail) = (rng.pick(&[0, 200]), rng.pick(&[0, 300]));
        let within_ms = Some(rng.pick(&[(0, 5), (50, 3_000)]));
        let (lose, forget) = (rng.pick(&[0, 100]), rng.pick(&[0, 0, 20]));
        let down_until = self.now + rng.pick(&[0, 0, 10, 40]) * 1_000_000_000;
        self.web.callbacks = Callbacks { within_ms, refuse, fail, lose, forget, down_until };
    }

    /// No more is sent by HTTP, and callbacks take what they are told.
    pub(crate) fn calm_web(&mut self) {
        self.web.habits.clear();
        let within_ms = self.web.callbacks.within_ms.map(|_| (0, 5));
        self.web.callbacks = Callbacks { within_ms, ..Callbacks::default() };
    }
}

/// Some of those with callbacks are told of MO there, and of many at once.
pub(crate) fn with_mo_told(config: &str, rng: &mut Rng) -> String {
    let told = |line: &str| match line.strip_suffix(" }").filter(|line| line.contains("/hook\" }") && rng.chance(600)) {
        Some(line) => {
            let batch = format!("/hook\", batch: {} }}", rng.pick(&[1, 1, 3, 100]));
            format!("{}, deliver: http }}\n", line.replace("/hook\" }", &batch))
        }
        None => format!("{line}\n"),
    };
    config.lines().map(told).collect()
}

/// Of the same octets.
fn copy(message: &Message) -> Message {
    let Message { segments, reference, tell } = message;
    Message { segments: segments.clone(), reference: reference.clone(), tell: tell.clone() }
}

/// The same with callbacks for the accounts.
pub(crate) fn with_callbacks(config: &str) -> String {
    let called = "{ password: secret, callback: { url: \"https://a.example/hook\" },";
    config.replace("{ password: secret,", called)
}
