//! Messages between processes: in memory as they are, on the wire as bytes.
//!
//! In a mailbox, a message is a letter: one allocation with its head and its content, of which the queue moves a
//! pointer.

use std::any::{Any, TypeId};
use std::fmt;

use bytes::Bytes;

use super::cell::Weight;
use crate::Upid;
use crate::filter::Passed;

/// What a message's type must offer: protobuf encoding, a full name, and copies for receivers in the same runtime.
pub trait Typed: prost::Message + prost::Name + Default + Clone + 'static {}
impl<M: prost::Message + prost::Name + Default + Clone + 'static> Typed for M {}

/// What every letter has, whatever its content.
pub(crate) struct Head {
    /// The sender; none when it is that of the letter before in the same mailbox. A run of letters from one sender so
    /// names it once, which spares counting its holders for each.
    from: Option<Upid>,
    weight: Weight,
    passed_filters: Passed,
}

/// A letter whose content is a value, or [`Encoded`].
struct Letter<C> {
    head: Head,
    content: C,
}

/// Content as it came from a socket.
struct Encoded {
    name: Box<str>,
    body: Bytes,
}

/// What a mailbox holds of a message: a letter of whatever content.
pub(crate) trait AnyLetter: Send {
    fn head(&self) -> &Head;
    fn head_mut(&mut self) -> &mut Head;
    /// The content's type; one that no message has when it came encoded.
    fn content(&self) -> TypeId;
    fn name(&self) -> String;
    fn body(&self) -> Bytes;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<M: Typed> AnyLetter for Letter<M> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn content(&self) -> TypeId {
        TypeId::of::<M>()
    }

    fn name(&self) -> String {
        M::full_name()
    }

    fn body(&self) -> Bytes {
        Bytes::from(self.content.encode_to_vec())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl AnyLetter for Letter<Encoded> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn content(&self) -> TypeId {
        TypeId::of::<Encoded>()
    }

    fn name(&self) -> String {
        self.content.name.to_string()
    }

    fn body(&self) -> Bytes {
        self.content.body.clone()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Head {
    const NEW: Self = Self {
        from: None,
        weight: Weight::LOCAL,
        passed_filters: Passed::No,
    };

    pub(crate) const fn weight(&self) -> Weight {
        self.weight
    }

    pub(crate) const fn from(&self) -> Option<&Upid> {
        self.from.as_ref()
    }

    pub(crate) const fn take_from(&mut self) -> Option<Upid> {
        self.from.take()
    }

    pub(crate) fn set_from(&mut self, from: Upid) {
        self.from = Some(from);
    }
}

/// A letter with a value for a process of the same runtime.
pub(crate) fn value<M: Typed>(content: M) -> Box<dyn AnyLetter> {
    Box::new(Letter {
        head: Head::NEW,
        content,
    })
}

/// A letter's content, decoded if it came encoded or is of another type.
///
/// # Errors
/// The reason when the bytes are no such message.
pub(crate) fn open<M: Typed>(letter: Box<dyn AnyLetter>) -> Result<M, prost::DecodeError> {
    if letter.content() != TypeId::of::<M>() {
        return M::decode(letter.body());
    }
    let letter = letter.into_any().downcast::<Letter<M>>();
    let Letter { content, .. } = *letter.expect("its type was asked for");
    Ok(content)
}

/// A message that has arrived, as filters and fallback handlers see it.
pub struct Message {
    from: Upid,
    letter: Box<dyn AnyLetter>,
}

impl Message {
    /// A message from its parts.
    pub fn new(from: Upid, name: impl Into<Box<str>>, body: Bytes) -> Self {
        let content = Encoded {
            name: name.into(),
            body,
        };
        let head = Head::NEW;
        Self::of(from, Box::new(Letter { head, content }))
    }

    /// A letter and its sender.
    pub(crate) const fn of(from: Upid, letter: Box<dyn AnyLetter>) -> Self {
        Self { from, letter }
    }

    /// The letter, with its sender's name within.
    pub(crate) fn into_letter(mut self) -> Box<dyn AnyLetter> {
        self.letter.head_mut().from = Some(self.from);
        self.letter
    }

    /// The same message, which takes room in a mailbox.
    #[must_use]
    pub(crate) fn weighing(mut self, weight: Weight) -> Self {
        self.letter.head_mut().weight = weight;
        self
    }

    /// The same message, which no rule is to see again.
    #[must_use]
    pub(crate) fn past_filters(mut self) -> Self {
        self.letter.head_mut().passed_filters = Passed::Yes;
        self
    }

    /// Whether the rules have seen it.
    pub(crate) fn has_passed_filters(&self) -> bool {
        self.letter.head().passed_filters == Passed::Yes
    }

    /// Who says to have sent it.
    pub const fn from(&self) -> &Upid {
        &self.from
    }

    /// The full protobuf name of its type.
    pub fn name(&self) -> String {
        self.letter.name()
    }

    /// Its protobuf encoding.
    pub fn body(&self) -> Bytes {
        self.letter.body()
    }

    /// The same message once more, encoded.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::new(self.from.clone(), self.name(), self.body())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("from", &self.from)
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
