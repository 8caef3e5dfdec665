/** The report's style sheet: readable on a screen, light or dark, and on A4 paper. */
export const style = `
:root{color-scheme:light dark;--fg:#1c2024;--dim:#5d6670;--bg:#fff;--line:#d9dde2;--soft:#f4f6f8;--bad:#b42318;--mild:#8a5a00;
--c0:#2457c5;--c1:#b4501e;--c2:#1d7a4f;--c3:#8a3a9e;--c4:#806000;--c5:#00758f}
@media (prefers-color-scheme:dark){:root{--fg:#e6e8ea;--dim:#9aa4ae;--bg:#15181b;--line:#343a40;--soft:#1e2226;--bad:#ff8a7a;--mild:#e5b45c;
--c0:#82aaff;--c1:#f0a070;--c2:#6fcf97;--c3:#d59be6;--c4:#d9c062;--c5:#63cbe0}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1060px;padding:28px 24px 60px;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--fg);background:var(--bg)}
h1{font-size:25px;margin:0}h2{font-size:18px;margin:38px 0 10px;padding-bottom:4px;border-bottom:1px solid var(--line)}h3{font-size:15px;margin:18px 0 4px}
p{margin:6px 0}.note,.lead{color:var(--dim);font-size:13px}.lead{font-size:14px}
code,pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}pre{background:var(--soft);padding:9px 12px;border-radius:5px;overflow-x:auto;margin:6px 0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;width:100%}th,td{text-align:left;padding:4px 9px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
thead th{color:var(--dim);font-weight:600;white-space:nowrap}tbody th{font-weight:600}.figures td,.figures thead th,.n{text-align:right;font-variant-numeric:tabular-nums}.figures thead th:first-child,.figures .word{text-align:left}
.figures td:not(.word){white-space:nowrap}.figures tbody th{overflow-wrap:anywhere;min-width:7em}.time{white-space:nowrap;font-variant-numeric:tabular-nums}.incidents td{overflow-wrap:anywhere}.incidents .n,.incidents .time,.incidents .who{overflow-wrap:normal}.incidents .who{white-space:nowrap}td.none{color:var(--dim)}
details{margin:10px 0}summary{cursor:pointer;color:var(--dim)}
.curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:14px 24px}figure{margin:0}figcaption{font-size:13px;font-weight:600}
svg{max-width:100%;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--dim)}.curve svg{width:100%;height:auto}
.axis path{stroke:var(--line);stroke-width:1}.line path{fill:none;stroke-width:1.8;stroke-linejoin:round}.line .raw{stroke-width:1;opacity:.32}
.c0{stroke:var(--c0);fill:var(--c0)}.c1{stroke:var(--c1);fill:var(--c1)}.c2{stroke:var(--c2);fill:var(--c2)}.c3{stroke:var(--c3);fill:var(--c3)}.c4{stroke:var(--c4);fill:var(--c4)}.c5{stroke:var(--c5);fill:var(--c5)}
.d1 path{stroke-dasharray:6 3}.d2 path{stroke-dasharray:2 3}
.restart path{stroke:var(--bad);stroke-width:1;stroke-dasharray:3 3}.restart .flag{fill:var(--bad);stroke:none}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;font-size:13px}.legend span{display:inline-flex;align-items:center;gap:6px}
.timeline{width:100%;height:auto;margin:8px 0}.timeline .name{fill:var(--fg);font-size:12px}.session{stroke:none;opacity:.55}
.mark circle{stroke:var(--bg);stroke-width:1.5}.mark text{fill:#fff;font-size:9.5px;font-weight:700}.mark.bad circle{fill:#b42318}.mark.mild circle{fill:#8a5a00}
.number{display:inline-block;min-width:20px;padding:0 5px;border-radius:10px;color:#fff;font-size:11px;text-align:center}.number.bad{background:#b42318}.number.mild{background:#8a5a00}
.pictures{display:flex;flex-wrap:wrap;gap:12px 20px}.pictures img{max-width:100%;height:auto;image-rendering:auto;display:block;border:1px solid var(--line)}.pictures figure{flex:1 1 320px;max-width:560px}.pictures img{width:100%}.pictures figcaption{font-weight:400;color:var(--dim)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(380px,1fr));gap:8px 32px}.bar{width:100%;height:14px;margin:6px 0}.two td:first-child{width:20px}
.p0{fill:#2457c5}.p1{fill:#d0702f}.p2{fill:#2f9e68}.p3{fill:#a65bb8}.p4{fill:#b39324}.p5{fill:#1f95ad}.p6{fill:#7d8ce0}.p7{fill:#e0a080}.p8{fill:#85c9a3}.p9{fill:#d3a9dd}.p10{fill:#dccb84}.p11{fill:#8b949e}
@page{size:A4;margin:14mm}
@media print{:root{color-scheme:light;--fg:#000;--dim:#444;--bg:#fff;--line:#ccc;--soft:#f4f6f8;--bad:#b42318;--mild:#8a5a00;--c0:#2457c5;--c1:#b4501e;--c2:#1d7a4f;--c3:#8a3a9e;--c4:#806000;--c5:#00758f}
body{padding:0;max-width:none;font-size:11px}h2{margin-top:20px;break-after:avoid}h3{break-after:avoid}table,.note,.legend,figcaption{font-size:10px}.lead{font-size:11px}.pictures figure{flex:1 1 45%;max-width:48%}th,td{padding:2px 6px 2px 0}.curves{grid-template-columns:1fr 1fr}.two{grid-template-columns:1fr 1fr}
figure,.keep,tr,.timeline,pre{break-inside:avoid}.wide{overflow:visible}.figures td:not(.word){white-space:normal}code,pre{font-size:9.5px}pre{white-space:pre-wrap}details:not([open]){display:none}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`
