//! Expressions of GitHub's workflows, evaluated as its documentation says; the parser is zizmor's.

use github_actions_expressions::call::{Call, Function};
use github_actions_expressions::context::Context;
use github_actions_expressions::literal::Literal;
use github_actions_expressions::op::{BinExpr, BinOp, UnOp};
use github_actions_expressions::{Expr, SpannedExpr};
use serde_json::Value;

/// What expressions can name, and what their functions answer.
pub struct Scope<'a> {
    /// `github`, `needs`, `inputs`, …
    pub contexts: &'a Value,
    /// Whether everything before has succeeded.
    pub is_success: bool,
}

impl Scope<'_> {
    /// `text` with every `${{ … }}` in it replaced by its value.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            let (expression, after) = after.split_once("}}").unwrap();
            filled += before;
            filled += &shown(&self.evaluate(expression));
            rest = after;
        }
        filled + rest
    }

    /// Whether a job or a step with this `if` runs; without a function that asks for the status it needs success.
    pub fn is_met(&self, condition: Option<&str>) -> bool {
        let Some(condition) = condition else { return self.is_success };
        let condition = condition.trim().trim_start_matches("${{").trim_end_matches("}}");
        let asks =
            ["cancelled()", "always()", "failure()", "success()"].iter().any(|status| condition.contains(status));
        (asks || self.is_success) && is_true(&self.evaluate(condition))
    }

    fn evaluate(&self, text: &str) -> Value {
        let parsed = Expr::parse(text.trim()).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.value(&parsed)
    }

    fn value(&self, expression: &SpannedExpr) -> Value {
        match &expression.inner {
            Expr::Literal(Literal::Null) => Value::Null,
            Expr::Literal(Literal::Boolean(value)) => (*value).into(),
            Expr::Literal(Literal::Number(value)) => (*value).into(),
            Expr::Literal(text) => text.as_str().into_owned().into(),
            Expr::Context(context) => self.named(context),
            Expr::UnExpr { op: UnOp::Not, expr } => (!is_true(&self.value(expr))).into(),
            Expr::BinExpr(BinExpr { lhs, op, rhs }) => {
                let left = self.value(lhs);
                match op {
                    BinOp::And if !is_true(&left) => left,
                    BinOp::Or if is_true(&left) => left,
                    BinOp::And | BinOp::Or => self.value(rhs),
                    BinOp::Eq => is_equal(&left, &self.value(rhs)).into(),
                    BinOp::Neq => (!is_equal(&left, &self.value(rhs))).into(),
                    other => panic!("no workflow uses {other:?}"),
                }
            }
            Expr::Call(Call { func, args }) => {
                let arguments: Vec<String> = args.iter().map(|argument| shown(&self.value(argument))).collect();
                match (func, &arguments[..]) {
                    (Function::Cancelled, []) => false.into(),
                    (Function::Success, []) => self.is_success.into(),
                    (Function::Format, [form, word]) => form.replace("{0}", word).into(),
                    (Function::StartsWith, [text, start]) => text.starts_with(start).into(),
                    other => panic!("no workflow uses {other:?}"),
                }
            }
            other => panic!("no workflow uses {other:?}"),
        }
    }

    fn named(&self, context: &Context) -> Value {
        let mut value = self.contexts;
        for (depth, part) in context.parts.iter().enumerate() {
            let Expr::Identifier(name) = &part.inner else { panic!("no workflow uses {part:?}") };
            assert!(depth > 0 || value.get(name.as_str()).is_some(), "no context {}", name.as_str());
            value = value.get(name.as_str()).unwrap_or(&Value::Null);
        }
        value.clone()
    }
}

fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some("") && value.as_f64() != Some(0.0)
}

/// Texts are compared without regard to case, and nothing equals only nothing here.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
