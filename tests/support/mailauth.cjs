// Reads messages with their DNS from standard input, a JSON object a line, and writes what mailauth
// makes of each. Its parts are called one by one: the whole needs a newer node for BIMI.
const readline = require('node:readline');
const path = require('node:path');
const library = process.argv[2];
const { dkimVerify } = require(path.join(library, 'dkim', 'verify'));
const { spf } = require(path.join(library, 'spf'));
const { arc } = require(path.join(library, 'arc'));
const { evaluateDmarc } = require(path.join(library, 'dmarc'));

const answers = records => {
    const names = new Set(Object.keys(records).map(key => key.split(' ')[0]));
    return async (name, type) => {
        const bare = name.toLowerCase().replace(/\.$/, '');
        const found = records[`${bare} ${type}`];
        if (!found) {
            const error = new Error('no answer');
            error.code = names.has(bare) ? 'ENODATA' : 'ENOTFOUND';
            throw error;
        }
        if (type === 'TXT') {
            return found.map(text => [text]);
        }
        if (type === 'MX') {
            return found.map(text => {
                const [priority, exchange] = text.split(' ');
                return { priority: Number(priority), exchange: exchange.replace(/\.$/, '') };
            });
        }
        return found;
    };
};

const check = async one => {
    const resolver = answers(one.records);
    const strict = true;
    const sender = one.sender || `postmaster@${one.helo}`;
    const signed = await dkimVerify(Buffer.from(one.message, 'base64'), { resolver, strict, curTime: new Date(1800000000000) });
    const client = await spf({ resolver, strict, ip: one.ip, helo: one.helo, sender, mta: 'mx.example.test' });
    const chain = await arc(signed.arc, { resolver, strict });
    let dmarc = null;
    if (signed.headerFrom) {
        const found = await evaluateDmarc({
            headerFrom: signed.headerFrom,
            fromFields: signed.fromFields,
            spfDomains: client && client.status.result === 'pass' ? [client.domain] : [],
            dkimDomains: signed.results
                .filter(row => row.status.result === 'pass')
                .map(row => ({ id: row.id, domain: row.signingDomain, aligned: row.status.aligned, underSized: row.status.underSized })),
            arcResult: chain,
            resolver,
            strict
        });
        dmarc = found.response || null;
    }
    return {
        spf: client ? client.status.result : 'none',
        dkim: signed.results.map(row => [row.signingDomain || '', row.selector || '', row.status.result]),
        arc: chain.status.result,
        dmarc: dmarc && dmarc.status.result,
        at: (dmarc && dmarc.policyDomain) || null
    };
};

(async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        process.stdout.write(JSON.stringify(await check(JSON.parse(line))) + '\n');
    }
})();
