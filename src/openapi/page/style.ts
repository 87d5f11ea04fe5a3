/** The style of the API page around the operations, which bring their own. */
export const PAGE_STYLE = `body {
  margin: 0;
  background: #fafafa;
  color: #24292f;
  font: 15px/1.5 system-ui, sans-serif;
}
main, header { max-width: 1420px; margin: 0 auto; padding: 0 20px; box-sizing: border-box; }
header { padding-top: 28px; }
header h1 { margin: 0; font-size: 28px; }
header p { margin: 4px 0 0; color: #57606a; }
a { color: #0b5cad; }
.channels { margin: 24px 0 0; padding: 18px 20px; background: #fff; border: 1px solid #d8dee4; border-radius: 8px; }
.channels h2 { margin: 0 0 4px; font-size: 19px; }
.channels p { margin: 0 0 10px; color: #57606a; }
.channels ul, .channels ol { margin: 0; padding: 0; list-style: none; }
.channels ul li { display: flex; gap: 14px; align-items: center; padding: 7px 0; border-top: 1px solid #eaeef2; }
.channels ul code { min-width: 14em; font-size: 14px; }
.channels ul span { flex: 1; color: #57606a; font-size: 13px; }
.channels button {
  min-width: 84px; padding: 5px 14px; border: 1px solid #0b5cad; border-radius: 6px;
  background: #fff; color: #0b5cad; font: inherit; font-weight: 600; cursor: pointer;
}
.channels button[aria-pressed='true'] { background: #0b5cad; color: #fff; }
#state { margin: 12px 0 6px; min-height: 1.5em; }
#events { max-height: 320px; overflow: auto; font: 13px/1.6 ui-monospace, monospace; }
#events li { display: flex; gap: 12px; padding: 3px 8px; border-left: 3px solid #1a7f37; margin-bottom: 3px; background: #f6f8fa; }
#events li[data-event='delete'], #events li[data-event='error'] { border-color: #cf222e; }
#events li[data-event='publish'] { border-color: #8250df; }
#events .name { min-width: 5em; font-weight: 600; }
#events .seq { color: #57606a; }
#events .data { overflow-wrap: anywhere; }
.swagger-ui .info { margin: 24px 0 8px; }
.swagger-ui .info hgroup, .swagger-ui .scheme-container { display: none; }
.swagger-ui .wrapper { padding: 0; }
@media (max-width: 700px) {
  .channels ul li { flex-wrap: wrap; }
  #events li { flex-wrap: wrap; gap: 0 12px; }
}
`;
