// A button "AI diagnosis" on the study page of Orthanc Explorer, for sites without a viewer.
// The plugin hands this file to Orthanc (jQuery 1.7 and jQuery Mobile 1.1 are there already).

$('#study').live('pagebeforecreate', function () {
  var button = $('<a>', { id: 'ai-diagnosis', href: '#', 'data-role': 'button', 'data-icon': 'star' });
  button.text('AI diagnosis (research use only)').insertBefore($('#study-delete').parent().parent());
  $('<p>', { id: 'ai-answer', role: 'status' }).insertAfter(button);
  button.click(function () {
    var page = $.mobile.pageData && $.mobile.pageData.uuid;
    if (page) {
      $.getJSON('../studies/' + page, function (study) {
        var url = '../ai/studies/' + encodeURIComponent(study.MainDicomTags.StudyInstanceUID);
        $.getJSON('../ai/session')
          .done(function (session) { (session.role === 'reader' ? look : ask)(page, url); })
          .fail(function (refusal) { say(page, problem(refusal)); });
      });
    }
    return false;
  });

  function ask(page, url) {
    $.ajax({ url: url + '/runs', type: 'POST' })
      .done(function () { follow(page, url, 0); })
      .fail(function (refusal) {
        if (refusal.status === 409) { follow(page, url, 0); } else { say(page, problem(refusal)); }
      });
  }

  // A reader is shown what there is; he may not ask for a reading.
  function look(page, url) { follow(page, url, 0); }

  function follow(page, url, asked) {
    $.getJSON(url)
      .done(function (study) {
        var waits = /^(RECEIVED|QUEUED|RUNNING)$/.test(study.state);
        if (say(page, sentence(study)) && waits && asked < 300) {
          setTimeout(function () { follow(page, url, asked + 1); }, 1000);
        }
      })
      .fail(function (refusal) { say(page, problem(refusal)); });
  }

  function sentence(study) {
    if (study.state === 'REPORTED') { return study.priority + ': ' + study.priority_reason; }
    if (study.state === 'REFUSED') { return 'Not read: ' + study.refusal.reason; }
    if (study.state === 'FAILED') { return 'Failed: ' + study.error.message + ' Press to try again.'; }
    return 'AI: ' + study.state.toLowerCase() + ' …';
  }

  function problem(refusal) {
    try { return JSON.parse(refusal.responseText).detail; } catch (e) { return 'The node does not answer.'; }
  }

  // One page shows every study in turn: what is said of one must not stand under another.
  function say(page, text) {
    var here = $.mobile.pageData && $.mobile.pageData.uuid === page;
    if (here) { $('#ai-answer').text(text); }
    return here;
  }
}).live('pagebeforeshow', function () {
  $('#ai-answer').text('');
});
