//! `explain`: which backend answers for a name, and why.

use registry_public::explanation::ExplanationBody;
use registry_public::paths::Target;

use crate::cli::arguments::ExplainArgs;
use crate::context::Context;
use crate::failure::Result;
use crate::form::OutputForm;
use crate::output::{print, print_objects, print_rows, visible};
use crate::resolve::find_id;

/// Explains who owns a name.
pub(super) async fn run(args: &ExplainArgs, context: &Context) -> Result<()> {
    let id = find_id(&context.registry, &args.reference).await?;
    let target = Target::new(format!("/extensions/{id}/explain"));
    let explanation: ExplanationBody = context.registry.get(&target).await?;
    if context.display.form != OutputForm::Table {
        return print_objects(&[explanation], context.display);
    }
    let ExplanationBody { owner, rule, state, backends, pins, other_orders, .. } = explanation;
    let owner = owner.as_deref().unwrap_or("-");
    print(&format!("{id} is {state}: {}, {}\n", visible(owner), visible(&rule)))?;
    print_rows(&backends, context.display)?;
    for pin in pins {
        let origin = pin.pin.origin.as_deref().unwrap_or("an older state");
        let (version, digest) = (visible(&pin.version), visible(&pin.pin.digest));
        print(&format!("pinned {version} of {}: {digest} by {origin}\n", pin.backend))?;
    }
    for other in other_orders {
        print(&format!("in the order {}: {}\n", other.order.join(", "), other.owner))?;
    }
    Ok(())
}
