"""The host drawn from its policy: uplinks, lanes, tenants, workloads, published ports, allowed crossings.

`subject` says what there is to draw, `layout` where it stands, and `svg`, `html` and `mermaid` write it down. Nothing
here looks at a host, and the same policy is the same bytes.
"""
